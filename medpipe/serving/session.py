"""ONNX Runtime around one artefact: the same for evaluation, the gate and the service.

Scores come from the artefact's graph without what only the map needs: ONNX Runtime computes every
output whichever is asked for (release 1.28; its ``only_execute_path_to_fetches`` changes nothing),
and an occlusion map costs some hundred times the score.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from google.protobuf.message import DecodeError
from onnx.utils import Extractor
from onnxruntime.capi.onnxruntime_pybind11_state import (
    Fail,
    InvalidArgument,
    InvalidGraph,
    InvalidProtobuf,
)

from medpipe.errors import DataError, MissingStageError

_NOT_A_MODEL = (
    *(Fail, InvalidArgument, InvalidGraph, InvalidProtobuf),
    *(DecodeError, onnx.checker.ValidationError, ValueError, IndexError),
)


class Session:
    """Scores and explains batches with the model in `path`. Threads may share it.

    Parameters
    ----------
    path : an ONNX file with outputs ``logit`` and ``map``
    threads : of ONNX Runtime for one batch; 0: one per core that this process may use

    Raises
    ------
    MissingStageError : no such file, or not a whole ONNX model
    """

    def __init__(self, path: Path, *, threads: int = 0) -> None:
        self._threads = threads
        self._whole: ort.InferenceSession | None = None
        self._making = threading.Lock()
        try:
            self._content = path.read_bytes()
            self._scorer = _session(_scoring_part(self._content), threads)
        except FileNotFoundError:
            raise MissingStageError(
                f"{path} is not there; run `medpipe stage export` first"
            ) from None
        except _NOT_A_MODEL as error:
            raise MissingStageError(
                f"{path} is not a whole ONNX model ({error}); run `medpipe stage export` again"
            ) from None

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the model's inputs, those that `Workload.encode` gives."""
        return tuple(entry.name for entry in self._scorer.get_inputs())

    @property
    def width(self) -> int:
        """K where the logits are (B, K), and 1 where they are (B,)."""
        shape = next(e.shape for e in self._scorer.get_outputs() if e.name == "logit")
        return int(shape[1]) if len(shape) > 1 else 1

    def score(self, inputs: Mapping[str, np.ndarray]) -> np.ndarray:
        """Logits, (B,) or (B, K), for `inputs` by name, each with a batch axis in front.

        Raises
        ------
        DataError : a name, type or shape is not the model's
        """
        (logit,) = _run(self._scorer, ["logit"], inputs)
        return logit

    def explain(self, inputs: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Logits and maps (B, …), of an image (B, h, w) in 0…1; raises as `score` does."""
        with self._making:  # most requests ask for no map: made at the first that does
            if self._whole is None:
                self._whole = _session(self._content, self._threads)
        logit, evidence = _run(self._whole, ["logit", "map"], inputs)
        return logit, evidence


def _scoring_part(content: bytes) -> bytes:
    """The model in `content` with the output ``logit`` alone, and with what that one needs."""
    model = onnx.load_from_string(content)
    names = [entry.name for entry in model.graph.input]
    part: bytes = Extractor(model).extract_model(names, ["logit"]).SerializeToString()
    return part


def _session(content: bytes, threads: int) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads or len(os.sched_getaffinity(0))
    # Threads that wait for work by spinning take the processor from those that decode uploads.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return ort.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def _run(
    session: ort.InferenceSession, outputs: list[str], inputs: Mapping[str, np.ndarray]
) -> list[np.ndarray]:
    try:
        found = session.run(outputs, dict(inputs))
    except (InvalidArgument, ValueError) as error:
        shapes = {name: f"{array.dtype} {array.shape}" for name, array in inputs.items()}
        wanted = {e.name: f"{e.type} {e.shape}" for e in session.get_inputs()}
        raise DataError(
            f"the model takes {wanted}, but was given {shapes}; encode the rows with the "
            "state.json that belongs to this model"
        ) from error
    return [np.asarray(values) for values in found]
