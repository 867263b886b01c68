"""What `serving.py` compares medpipe with: the same model behind FastAPI, and behind MLflow.

Both read and encode uploads by the workload's own functions, as medpipe does, and run the model in
one session of ONNX Runtime with medpipe's own options, which make them faster: without the outputs
that a score does not need, and without threads that wait by spinning. Neither knows callers,
records answers, batches, or says how familiar an input is.
"""

from __future__ import annotations

import base64
import json
import math
from pathlib import Path
from typing import Any

import fastapi
import onnx
from mlflow.pyfunc import PythonModel, save_model

from medpipe import config, workloads
from medpipe.serving import recorder, session

WORKLOAD = "chest_xray"


class Scorer:
    """From the bytes of an upload to a risk, by what lies in a release's `folder`."""

    def __init__(self, folder: Path) -> None:
        model = onnx.load(folder / "model.onnx")
        self._session = session.opened(session.part(model, ["logit"]), threads=0)
        self._state = json.loads((folder / "state.json").read_text())
        self._settings = json.loads((folder / "settings.json").read_text())
        self._workload = workloads.get(WORKLOAD)

    def answer(self, content: bytes) -> dict[str, float | bool]:
        """Risk and decision."""
        _, inputs = self._workload.request(content, self._state, limits=self._settings["limits"])
        batch = {name: array[None] for name, array in inputs.items()}
        logit = float(self._session.run(["logit"], batch)[0][0]) / self._settings["temperature"]
        logit += self._settings.get("intercept", 0.0)
        risk = 1 / (1 + math.exp(-logit))
        return {"risk": risk, "decision": risk >= self._settings["threshold"]}


def by_fastapi() -> fastapi.FastAPI:
    """What a careful person writes in a day; FastAPI runs `predict` in its threads."""
    scorer = Scorer(Path(config.environment("MEDPIPE_RELEASES") or "") / WORKLOAD)
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
        self._scorer = Scorer(Path(context.artifacts["release"]))

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
