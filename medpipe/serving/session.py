"""ONNX Runtime around one artefact: the same for evaluation, the gate and the service."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnxruntime as ort
from onnxruntime.capi.onnxruntime_pybind11_state import (
    Fail,
    InvalidArgument,
    InvalidGraph,
    InvalidProtobuf,
)

from medpipe.errors import DataError, MissingStageError

_NOT_A_MODEL = (Fail, InvalidArgument, InvalidGraph, InvalidProtobuf)


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
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads or len(os.sched_getaffinity(0))
        # Threads that wait for work by spinning take the processor from those that decode uploads.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = ort.InferenceSession(
                path.read_bytes(), options, providers=["CPUExecutionProvider"]
            )
        except FileNotFoundError:
            raise MissingStageError(
                f"{path} is not there; run `medpipe stage export` first"
            ) from None
        except _NOT_A_MODEL as error:
            raise MissingStageError(
                f"{path} is not a whole ONNX model ({error}); run `medpipe stage export` again"
            ) from None
        # Without this the map is computed for every score, too.
        self._path_only = ort.RunOptions()
        self._path_only.only_execute_path_to_fetches = True

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the model's inputs, those that `Workload.encode` gives."""
        return tuple(entry.name for entry in self._session.get_inputs())

    @property
    def width(self) -> int:
        """K where the logits are (B, K), and 1 where they are (B,)."""
        shape = next(e.shape for e in self._session.get_outputs() if e.name == "logit")
        return int(shape[1]) if len(shape) > 1 else 1

    def score(self, inputs: Mapping[str, np.ndarray]) -> np.ndarray:
        """Logits, (B,) or (B, K), for `inputs` by name, each with a batch axis in front.

        Raises
        ------
        DataError : a name, type or shape is not the model's
        """
        (logit,) = self._run(["logit"], inputs, self._path_only)
        return logit

    def explain(self, inputs: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Logits and maps (B, …), of an image (B, h, w) in 0…1; raises as `score` does."""
        logit, evidence = self._run(["logit", "map"], inputs, None)
        return logit, evidence

    def _run(
        self, outputs: list[str], inputs: Mapping[str, np.ndarray], how: ort.RunOptions | None
    ) -> list[np.ndarray]:
        try:
            found = self._session.run(outputs, dict(inputs), how)
        except (InvalidArgument, ValueError) as error:
            shapes = {name: f"{array.dtype} {array.shape}" for name, array in inputs.items()}
            wanted = {e.name: f"{e.type} {e.shape}" for e in self._session.get_inputs()}
            raise DataError(
                f"the model takes {wanted}, but was given {shapes}; encode the rows with the "
                "state.json that belongs to this model"
            ) from error
        return [np.asarray(values) for values in found]
