"""What `serving.py` compares medpipe with: the same model behind FastAPI, and behind MLflow.

Twice behind FastAPI. `Plain` is what a careful person writes in a day: pydicom and Pillow as their
pages tell, one session of ONNX Runtime as it comes. `Tuned` has medpipe's own reader and session:
without the outputs that a score does not need, without threads that wait by spinning; what is left
between it and medpipe is the serving alone. None of them knows callers, records answers, refuses
what is no radiograph, batches, or says how familiar an input is.
"""

from __future__ import annotations

import base64
import io
import json
import math
from pathlib import Path
from typing import Any

import cv2
import fastapi
import numpy as np
import onnx
import onnxruntime as ort
import pydicom
from mlflow.pyfunc import PythonModel, save_model
from PIL import Image
from pydicom.pixels import apply_modality_lut, apply_voi_lut

from medpipe import config, workloads
from medpipe.serving import recorder, session

WORKLOAD = "chest_xray"


class Plain:
    """From the bytes of an upload to a risk, by what lies in a release's `folder`."""

    def __init__(self, folder: Path) -> None:
        self._session = self._opened(session.part(onnx.load(folder / "model.onnx"), ["logit"]))
        self._state = json.loads((folder / "state.json").read_text())
        self._settings = json.loads((folder / "settings.json").read_text())

    def answer(self, content: bytes) -> dict[str, float | bool]:
        """Risk and decision."""
        logit = float(self._session.run(["logit"], self._inputs(content))[0][0])
        logit = logit / self._settings["temperature"] + self._settings.get("intercept", 0.0)
        risk = 1 / (1 + math.exp(-logit))
        return {"risk": risk, "decision": risk >= self._settings["threshold"]}

    def _opened(self, model: bytes) -> ort.InferenceSession:
        return ort.InferenceSession(model, providers=["CPUExecutionProvider"])

    def _inputs(self, content: bytes) -> dict[str, np.ndarray]:
        is_dicom = content[128:132] == b"DICM"
        grey = shown(pydicom.dcmread(io.BytesIO(content))) if is_dicom else picture(content)
        return {"image": fitted(grey, int(self._state["size_px"]))[None, None]}


class Tuned(Plain):
    """The same by medpipe's reader, encoder and session."""

    def _opened(self, model: bytes) -> ort.InferenceSession:
        self._workload = workloads.get(WORKLOAD)
        return session.opened(model, threads=0)

    def _inputs(self, content: bytes) -> dict[str, np.ndarray]:
        limits = self._settings["limits"]
        _, inputs = self._workload.request(content, self._state, limits=limits)
        return {name: array[None] for name, array in inputs.items()}


def picture(content: bytes) -> np.ndarray:
    """Grey levels, uint8 (H, W), of a PNG or JPEG."""
    return np.asarray(Image.open(io.BytesIO(content)).convert("L"))


def shown(dataset: pydicom.Dataset) -> np.ndarray:
    """What a viewer shows of a radiograph, uint8 (H, W), white where the body is dense."""
    values = apply_voi_lut(apply_modality_lut(dataset.pixel_array, dataset), dataset)
    most = 2**dataset.BitsStored - 1 if "WindowWidth" in dataset else values.max()
    grey = (np.clip(values / most, 0, 1) * 255 + 0.5).astype(np.uint8)
    return 255 - grey if dataset.PhotometricInterpretation == "MONOCHROME1" else grey


def fitted(grey: np.ndarray, size: int) -> np.ndarray:
    """`grey` made to fit a square of `size` px, edges black."""
    scale = size / max(grey.shape)
    height, width = (max(1, round(side * scale)) for side in grey.shape)
    square = np.zeros((size, size), np.uint8)
    top, left = (size - height) // 2, (size - width) // 2
    small = cv2.resize(grey, (width, height), interpolation=cv2.INTER_AREA)
    square[top : top + height, left : left + width] = small
    return square


def difference(folder: Path, content: bytes) -> float:
    """How far the risks of both are apart, for the same release and upload."""
    plain, tuned = (each(folder).answer(content)["risk"] for each in (Plain, Tuned))
    return abs(plain - tuned)


def plain() -> fastapi.FastAPI:
    """FastAPI runs `predict` in its threads."""
    return _by_fastapi(Plain)


def tuned() -> fastapi.FastAPI:
    """The same with medpipe's reader and session."""
    return _by_fastapi(Tuned)


def _by_fastapi(kind: type[Plain]) -> fastapi.FastAPI:
    scorer = kind(Path(config.environment("MEDPIPE_RELEASES") or "") / WORKLOAD)
    api = fastapi.FastAPI()

    @api.get("/ready")
    def ready() -> bool:
        return True

    @api.post("/predict")
    def predict(file: fastapi.UploadFile) -> dict[str, float | bool]:
        return scorer.answer(file.file.read())

    return api


class Model(PythonModel):
    """For ``mlflow models serve``, which takes JSON: a file travels as base64."""

    def load_context(self, context: Any) -> None:
        """Called by MLflow in the serving process."""
        self._scorer = Plain(Path(context.artifacts["release"]))

    def predict(self, context: Any, model_input: list[str]) -> list[dict[str, float | bool]]:
        """Of each file."""
        return [self._scorer.answer(base64.b64decode(each)) for each in model_input]


def save(release: Path, target: Path) -> None:
    """The release as an MLflow model in `target`."""
    save_model(target, python_model=Model(), artifacts={"release": str(release)})


def unrecorded() -> Any:
    """The service without its record of answers: beside it, what the record costs."""
    from service.service import MedpipeService  # delayed: each other process is without

    async def forget(self: object, entry: object, *, may_spool: bool) -> None:
        del self, entry, may_spool

    recorder.Recorder.record = forget  # type: ignore[method-assign]
    return MedpipeService.to_asgi()  # type: ignore[attr-defined]
