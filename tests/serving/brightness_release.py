"""A whole release of a workload whose answers can be worked by hand."""

import json
from pathlib import Path

import cv2
import numpy as np
import onnx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from onnx import TensorProto, helper

from medpipe import certificate, files

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
TRUSTED = [KEY.public_key().public_bytes_raw()]
SETTINGS = {
    "workload": "brightness",
    "variant": "fp32",
    "version": 3,
    "run_id": "run",
    "temperature": 2.0,
    "threshold": 0.6,
    "coverage": 0.9,
    "least": [0.3, 0.4],
    "familiar": {"distance": 4.0, "share": 0.99},
    "limits": {"max_side_px": 64, "min_side_px": 4, "max_pixels": 4096},
    "serve": {"max_upload_mib": 1, "max_pixels": 2500, "batch_max": 4, "threads": 1},
}


def graph() -> onnx.ModelProto:
    """logit = 8 · (mean / 255 − 0.5), distance = |logit|; map = grey levels from 0 to 1."""
    constants = {"scale": np.float32(255), "eight": np.float32(8), "half": np.float32(0.5)}
    nodes = [
        helper.make_node("Cast", ["image"], ["levels"], to=TensorProto.FLOAT),
        helper.make_node("Div", ["levels", "scale"], ["shares"]),
        helper.make_node("ReduceMean", ["shares", "inner"], ["mean"], keepdims=0),
        helper.make_node("Sub", ["mean", "half"], ["centred"]),
        helper.make_node("Mul", ["centred", "eight"], ["logit"]),
        helper.make_node("Abs", ["logit"], ["distance"]),
        helper.make_node("ReduceMean", ["shares", "channel"], ["map"], keepdims=0),
    ]
    arrays = {name: np.asarray(value) for name, value in constants.items()}
    arrays |= {"inner": np.array([1, 2, 3]), "channel": np.array([1])}
    value = helper.make_tensor_value_info
    made = helper.make_graph(
        nodes,
        "brightness",
        [value("image", TensorProto.UINT8, ["B", 1, 8, 8])],
        [
            value("logit", TensorProto.FLOAT, ["B"]),
            value("distance", TensorProto.FLOAT, ["B"]),
            value("map", TensorProto.FLOAT, ["B", 8, 8]),
        ],
        [onnx.numpy_helper.from_array(array, name) for name, array in arrays.items()],
    )
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)


def write_release(folder: Path, *, key=KEY, expires=None, **settings) -> Path:
    """A signed release in `folder`; `settings` replace those above."""
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save(graph(), folder / "model.onnx")
    for name, content in {
        "state": {"size_px": 8, "contrast": "none"},
        "settings": {**SETTINGS, **settings},
        "card": {"title": "Brightness"},
    }.items():
        (folder / f"{name}.json").write_text(json.dumps(content))
    facts = {name: "" for name in certificate.FACTS} | {
        **{"workload": "brightness", "version": "3"},
        **{"expires": expires, "code": {}},
    }
    facts["digests"] = {name: files.sha256(folder / name) for name in certificate.COVERED}
    signed = certificate.issue(facts, key)
    (folder / certificate.FILE).write_text(json.dumps(signed))
    return folder


def png(level: int, *, height: int = 8, width: int = 8) -> bytes:
    """An even picture."""
    return cv2.imencode(".png", np.full((height, width), level, np.uint8))[1].tobytes()
