"""A signed release of a workload of records, with a model that feels every one of its inputs."""

import json
from pathlib import Path

import numpy as np
import onnx
from brightness_release import KEY
from onnx import TensorProto, helper, numpy_helper

from medpipe import certificate, config, files, workloads
from medpipe.errors import UnreadableError

SETTINGS = {
    "variant": "fp32",
    "version": 7,
    "run_id": "run",
    "temperature": 1.5,
    "threshold": 0.3,
    "coverage": 0.9,
    "least": [0.3, 0.4],
    "familiar": {"distance": 1000.0, "share": 0.99},
}
_TYPES = {"float32": TensorProto.FLOAT, "uint8": TensorProto.UINT8, "int32": TensorProto.INT32}


def rows_of(workload, folder: Path) -> list[dict]:
    """Rows of an invented sample, as raw would hold them."""
    folder.mkdir(parents=True)
    workload.synthesise(folder, patients=60, seed=3)
    rows = []
    for item in workload.source("sample", folder, options={}).items():
        try:
            rows.append(workload.read(item.payload, limits={}))
        except UnreadableError:
            continue
    return rows


def graph(inputs: dict[str, np.ndarray], *, parts: int) -> onnx.ModelProto:
    """logit = w · all inputs, a different weight for each; distance = |logit|.

    map = other sums of them, (B, parts).
    """
    size = sum(array.size for array in inputs.values())
    rng = np.random.default_rng(0)
    weights = {
        "w": rng.normal(0, 0.05, size),
        "v": rng.normal(0, 0.05, (size, parts)),
        "all": np.array([0, -1]),
    }
    nodes = []
    for name in inputs:
        nodes.append(helper.make_node("Cast", [name], [f"{name}_f"], to=TensorProto.FLOAT))
        nodes.append(helper.make_node("Reshape", [f"{name}_f", "all"], [f"{name}_flat"]))
    flat = [f"{name}_flat" for name in inputs]
    nodes += [
        helper.make_node("Concat", flat, ["x"], axis=1),
        helper.make_node("MatMul", ["x", "w"], ["logit"]),
        helper.make_node("Abs", ["logit"], ["distance"]),
        helper.make_node("MatMul", ["x", "v"], ["map"]),
    ]
    value = helper.make_tensor_value_info
    made = helper.make_graph(
        nodes,
        "records",
        [value(n, _TYPES[str(a.dtype)], ["B", *a.shape]) for n, a in inputs.items()],
        [
            value("logit", TensorProto.FLOAT, ["B"]),
            value("distance", TensorProto.FLOAT, ["B"]),
            value("map", TensorProto.FLOAT, ["B", parts]),
        ],
        [
            numpy_helper.from_array(w.astype(np.int64 if n == "all" else np.float32), n)
            for n, w in weights.items()
        ],
    )
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)


def write_record_release(folder: Path, name: str, *, parts: int, scratch: Path, **settings) -> Path:
    """Into `folder`/`name`; `parts` is the size of the workload's own map.

    `settings` replace those above.
    """
    workload, target = workloads.get(name), folder / name
    rows = rows_of(workload, scratch / name)
    state = workload.fit(rows, config.parse({}, workload).preprocess)
    target.mkdir(parents=True)
    onnx.save(graph(workload.encode(rows[0], state), parts=parts), target / "model.onnx")
    for file, content in {
        "state": state,
        "settings": {
            **{"workload": name, **SETTINGS, "limits": {}, "serve": {"threads": 1}},
            **settings,
        },
        "card": {"title": workload.title},
    }.items():
        (target / f"{file}.json").write_text(json.dumps(content))
    facts = {fact: "" for fact in certificate.FACTS} | {
        **{"issued": "2024-06-01T08:00:00+00:00", "expires": None, "code": {}}
    }
    facts["digests"] = {part: files.sha256(target / part) for part in certificate.COVERED}
    (target / certificate.FILE).write_text(json.dumps(certificate.issue(facts, KEY)))
    return target
