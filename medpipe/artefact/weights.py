"""How many weights an exported file scores with, and how many of them are 0."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

from medpipe.serving import session


def counted(path: Path) -> tuple[int, int]:
    """Weights in matrices and kernels on the way to the logit, and noughts among them."""
    scoring = onnx.load_from_string(session.part(onnx.load(path), ["logit"]))
    stored = map(numpy_helper.to_array, scoring.graph.initializer)
    found = [each for each in stored if each.ndim > 1 and each.size > 1]  # one number is a constant
    return sum(each.size for each in found), sum(int(np.sum(each == 0)) for each in found)
