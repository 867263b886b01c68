"""ONNX Runtime around one artefact: the same for evaluation, the gate and the service.

Scores and distances come from the artefact's graph without what only the map needs: ONNX Runtime
computes every output whichever is asked for (release 1.28; its ``only_execute_path_to_fetches``
changes nothing), and an occlusion map costs some hundred times the score.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, NamedTuple

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
from pydantic import Field

from medpipe.errors import DataError, MissingStageError

_NOT_A_MODEL = (
    *(Fail, InvalidArgument, InvalidGraph, InvalidProtobuf),
    *(DecodeError, onnx.checker.ValidationError, ValueError, IndexError),
)


@dataclass(frozen=True)
class Bound:
    """How far from the training data an input may lie: section `familiar` of settings.json.

    Parameters
    ----------
    distance : an input that lies farther is unfamiliar
    share : of the next patients, if they are like those of val, who are at most that far
    """

    distance: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    share: Annotated[float, Field(gt=0, lt=1)]


_NO_DIRECTIONS = np.empty((0, 0), np.float32)


class Judged(NamedTuple):
    """What a model says of a batch.

    Parameters
    ----------
    logit : (B,) or (B, K)
    distance : (B,), from the training data; 1 is usual, and `Bound` says what is too far
    directions : (B, K), places along the training data's widest directions; K is 0 where the model
        was exported before models gave them
    """

    logit: np.ndarray
    distance: np.ndarray
    directions: np.ndarray = _NO_DIRECTIONS


class Mapped(NamedTuple):
    """The same with the map (B, …): of an image (B, h, w) in 0…1."""

    logit: np.ndarray
    distance: np.ndarray
    directions: np.ndarray
    map: np.ndarray


_JUDGED = Judged._fields
"""Outputs of the model that `Judged` holds; those of them that it has are asked for."""
_PROVIDERS: tuple[tuple[str, dict[str, str]], ...] = (
    # Its 10-bit products would move a probability by more than the parity of an artefact allows.
    ("CUDAExecutionProvider", {"use_tf32": "0"}),
    ("CPUExecutionProvider", {}),
)
"""First choice first. Without a graphics card ONNX Runtime says so and takes the next."""


class Session:
    """Scores and explains batches with the model in `path`. Threads may share it.

    Parameters
    ----------
    path : an ONNX file with outputs ``logit``, ``distance``, ``directions`` and ``map``
    threads : of ONNX Runtime for one batch; 0: one per core that this process may use

    Attributes
    ----------
    knows_distance : whether the model says how far an input is from its training data; those that
        were exported before models did can still be scored

    Raises
    ------
    MissingStageError : no such file, or not a whole ONNX model
    """

    def __init__(self, path: Path, *, threads: int = 0) -> None:
        try:
            self._open(path.read_bytes(), threads)
        except FileNotFoundError:
            raise MissingStageError(
                f"{path} is not there; run `medpipe stage export` first"
            ) from None
        except _NOT_A_MODEL as error:
            raise MissingStageError(
                f"{path} is not a whole ONNX model ({error}); run `medpipe stage export` again"
            ) from None

    def _open(self, content: bytes, threads: int) -> None:
        self._content, self._threads = content, threads
        self._whole: ort.InferenceSession | None = None
        self._making = threading.Lock()
        model = onnx.load_from_string(content)
        given = {entry.name for entry in model.graph.output}
        self.knows_distance = "distance" in given
        self._judged = [n for n in _JUDGED if n in given] if self.knows_distance else ["logit"]
        self._scorer = opened(part(model, self._judged), threads)

    def __getstate__(self) -> bytes:
        return self._content

    def __setstate__(self, content: bytes) -> None:
        self._open(content, 1)  # in another process, beside others that have the cores as well

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the model's inputs, those that `Workload.encode` gives."""
        return tuple(entry.name for entry in self._scorer.get_inputs())

    @property
    def providers(self) -> tuple[str, ...]:
        """What computes, in order of preference: "CUDAExecutionProvider" is a graphics card."""
        return tuple(self._scorer.get_providers())

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
        (logit,) = run(self._scorer, ["logit"], inputs)
        return logit

    def judge(self, inputs: Mapping[str, np.ndarray]) -> Judged:
        """Logits as `score` gives them, and where the inputs lie among the training data."""
        return _whole(run(self._scorer, self._judged, inputs))

    def explain(self, inputs: Mapping[str, np.ndarray]) -> Mapped:
        """As `judge`, with maps; raises as `score` does."""
        with self._making:  # most requests ask for no map: made at the first that does
            if self._whole is None:
                self._whole = opened(self._content, self._threads)
        *judged, heat = run(self._whole, [*self._judged, "map"], inputs)
        return Mapped(*_whole(judged), heat)


def _whole(judged: Sequence[np.ndarray]) -> Judged:
    """`judged`, with directions (B, 0) where the model gives none."""
    logit, distance, *directions = judged
    return Judged(logit, distance, directions[0] if directions else np.empty((len(logit), 0)))


def part(model: onnx.ModelProto, outputs: Sequence[str]) -> bytes:
    """`model` with no other outputs than these, and with what they need."""
    names = [entry.name for entry in model.graph.input]
    found: bytes = Extractor(model).extract_model(names, list(outputs)).SerializeToString()
    return found


def opened(content: bytes, threads: int) -> ort.InferenceSession:
    """A session of ONNX Runtime; threads 0: one per core that this process may use."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads or len(os.sched_getaffinity(0))
    # Threads that wait for work by spinning take the processor from those that decode uploads.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    here = ort.get_available_providers()  # of the build that is installed, not of the machine
    providers = [provider for provider in _PROVIDERS if provider[0] in here]
    return ort.InferenceSession(content, options, providers=providers)


def run(
    session: ort.InferenceSession, outputs: Sequence[str], inputs: Mapping[str, np.ndarray]
) -> list[np.ndarray]:
    """`outputs` of `session` for `inputs` by name; raises as `Session.score` does."""
    try:
        found = session.run(list(outputs), dict(inputs))
    except (InvalidArgument, ValueError) as error:
        shapes = {name: f"{array.dtype} {array.shape}" for name, array in inputs.items()}
        wanted = {e.name: f"{e.type} {e.shape}" for e in session.get_inputs()}
        raise DataError(
            f"the model takes {wanted}, but was given {shapes}; encode the rows with the "
            "state.json that belongs to this model"
        ) from error
    return [np.asarray(values) for values in found]
