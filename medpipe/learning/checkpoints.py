"""Where a training stands, so that a killed one goes on.

One folder for each training, named by the digest of everything that decides its result; a training
with another digest starts afresh and removes what others left.
"""

from __future__ import annotations

import hashlib
import json
import logging
import pickle
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from medpipe.files import explained, new_file

_KEPT = 2
"""The newest and the one before it, should the newest turn out not to be readable."""
_BROKEN = (RuntimeError, pickle.UnpicklingError, EOFError, OSError, KeyError, ValueError)
"""What torch.load raises for a file that is cut short or overwritten."""

_log = logging.getLogger(__name__)


class Checkpoints:
    """The states of one training, in `folder`, newest last."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def save(self, state: Mapping[str, Any], *, epoch: int, batch: int) -> None:
        """Write `state` (tensors, numbers, strings, lists and dicts of them), whole or not at all.

        Raises
        ------
        StorageError : the disk is full or not writable; the states before are still there
        """
        with new_file(self.folder / f"{epoch:05d}-{batch:07d}.pt") as partial:
            torch.save(dict(state), partial)
        for old in self._paths()[:-_KEPT]:
            old.unlink(missing_ok=True)

    def newest(self) -> dict[str, Any] | None:
        """The newest state that can be read; None where there is none. Loading runs no code."""
        for path in reversed(self._paths()):
            try:
                state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
            except _BROKEN as error:
                reason = str(error).partition("\n")[0] or type(error).__name__
                _log.warning("%s is not whole (%s); the one before it is used", path, reason)
            else:
                return state
        return None

    def remove(self) -> None:
        """Delete the folder: the training is done and its weights are in place."""
        with explained(self.folder):
            shutil.rmtree(self.folder, ignore_errors=True)

    def _paths(self) -> list[Path]:
        return sorted(self.folder.glob("[0-9]*.pt"))


def opened(parent: Path, facts: Mapping[str, Any]) -> Checkpoints:
    """The checkpoints of the training that `facts` (JSON) decide; all others are removed."""
    text = json.dumps(facts, sort_keys=True, default=str)
    folder = parent / hashlib.sha256(text.encode()).hexdigest()[:16]
    with explained(folder):
        for other in parent.glob("*"):
            if other != folder:
                shutil.rmtree(other)
        folder.mkdir(parents=True, exist_ok=True)
    return Checkpoints(folder)
