"""How far an example lies from the training data, as an output of the artefact itself.

The distance is Mahalanobis's, in the features that the network's last layer reads: along each
direction in standard deviations of the training data, so that 1 is usual and what never varied
there weighs most. Features are standardised first; their covariance is shrunk, because there may
be fewer training examples than features, and no direction counts as narrower than a third of the
usual one: rare but ordinary words of records make hundreds of narrow directions, in which every
patient is far out in some, so that what is far out elsewhere would not be seen among them.

Beside it stands where the example lies along the few directions in which the training data vary
most: of many examples together that shows more than one number can.

Both are added to each variant's finished graph from that variant's own features: int8 places the
same example elsewhere. So whoever runs the file has them, and the digest of the file covers them.

On 5,809 radiographs of children the distance to the tenth neighbour did no better, and features
before the last ReLU better than after it (films upside down: AUROC 0.995 against 0.947), because a
unit that is off does not say how far. Test films took part in that choice.

References
----------
Mahalanobis 1936; Ledoit & Wolf 2004, J Multivariate Analysis 88:365–411 (shrinkage); Lee et al.
2018, NeurIPS, arXiv:1807.03888 (in the features of a network).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from sklearn.covariance import LedoitWolf
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from medpipe.artefact.graph import FEATURES
from medpipe.errors import DataError
from medpipe.serving import session

Floats = NDArray[np.float64]
DISTANCE = "distance"
DIRECTIONS = "directions"
OUTPUTS = ("logit", "map", DISTANCE, DIRECTIONS)
"""Of a finished artefact."""
_ROWS_AT_ONCE = 64
DIRECTIONS_MAX = 16
"""How many directions are given; fewer where there are fewer features."""
_NARROWEST = 0.1
"""Smallest share of the mean variance that a direction counts with.

With 0.001 the readmissions of Diabetes 130-US with numbers five standard deviations out were
noticed in 20 % of cases, with 0.1 in 98 %; radiographs upside down in 79 % and 69 %.
"""
_ALWAYS_THE_SAME = 1e-3
"""A feature that varies less than this share of the usual one is not blown up to vary as much."""


@dataclass(frozen=True)
class Cloud:
    """Where the features of the training data lie.

    Parameters
    ----------
    centre : (F,)
    whitening : (F, F); features less centre, times this, have variance 1 in every direction
    directions : (F, K); the whitened, times this, are places along the K widest directions
    examples : that it was fitted on
    """

    centre: Floats
    whitening: Floats
    directions: Floats
    examples: int

    def distances(self, features: Floats) -> Floats:
        """Of `features` (N, F): root mean square of the whitened, (N,)."""
        found: Floats = np.sqrt(np.square(self._whitened(features)).mean(axis=1))
        return found

    def places(self, features: Floats) -> Floats:
        """Of `features` (N, F) along the directions, (N, K), in standard deviations."""
        return self._whitened(features) @ self.directions

    def _whitened(self, features: Floats) -> Floats:
        found: Floats = (features - self.centre) @ self.whitening
        return found


def fit(features: Floats) -> Cloud:
    """The cloud of the training data's `features` (N, F).

    Raises
    ------
    DataError : a feature is not finite
    """
    values = np.asarray(features, dtype=np.float64)
    if not np.isfinite(values).all():
        raise DataError(
            "the network's features of the training rows are not finite; train with a lower "
            "learning rate"
        )
    centre, spread = values.mean(axis=0), values.std(axis=0)
    usual = float(spread.mean()) or 1.0
    scale = np.where(spread > _ALWAYS_THE_SAME * usual, spread, usual)
    with threadpool_limits(1):  # the same bytes on every machine
        found = LedoitWolf(assume_centered=True).fit((values - centre) / scale)
        variances, directions = np.linalg.eigh(found.covariance_)
    least = _NARROWEST * float(variances.mean()) or 1.0
    narrow = directions / np.sqrt(np.maximum(variances, least))
    return Cloud(centre, (narrow @ directions.T) / scale[:, None], _widest(directions), len(values))


def _widest(directions: Floats) -> Floats:
    """The last of `directions` (F, F), widest first, each with its largest part above 0."""
    widest = directions[:, ::-1][:, :DIRECTIONS_MAX]
    largest = np.take_along_axis(widest, np.abs(widest).argmax(axis=0)[None], axis=0)
    found: Floats = widest * np.where(largest < 0, -1.0, 1.0)
    return found


def add(path: Path, rows: Mapping[str, np.ndarray], *, threads: int = 0) -> Cloud:
    """Put distance and directions in the place of output ``features`` into the ONNX file at `path`.

    Parameters
    ----------
    rows : training rows by input name, (N, …)

    Returns
    -------
    The cloud that distances are measured from.
    """
    cloud = fit(features(path, rows, threads=threads))
    model = onnx.load(path)
    graph = model.graph
    named = {
        f"{DISTANCE}/centre": cloud.centre.astype(np.float32),
        f"{DISTANCE}/whitening": cloud.whitening.astype(np.float32),
        f"{DISTANCE}/axis": np.array([1]),
        f"{DISTANCE}/widest": cloud.directions.astype(np.float32),
    }
    graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in named.items())
    centre, whitening, axis, widest = named
    steps = [
        ("Sub", [FEATURES, centre], "centred"),
        ("MatMul", [f"{DISTANCE}/centred", whitening], "whitened"),
        ("Mul", [f"{DISTANCE}/whitened", f"{DISTANCE}/whitened"], "squares"),
        ("ReduceMean", [f"{DISTANCE}/squares", axis], "mean"),
        ("Sqrt", [f"{DISTANCE}/mean"], DISTANCE),
        ("MatMul", [f"{DISTANCE}/whitened", widest], DIRECTIONS),
    ]
    for kind, inputs, name in steps:
        output = name if name in OUTPUTS else f"{DISTANCE}/{name}"
        options = {"keepdims": 0} if kind == "ReduceMean" else {}
        graph.node.append(helper.make_node(kind, inputs, [output], f"node/{output}", **options))
    kept = [each for each in graph.output if each.name != FEATURES]
    batch = kept[0].type.tensor_type.shape.dim[0].dim_param
    del graph.output[:]
    value = helper.make_tensor_value_info
    graph.output.extend(
        [
            *kept,
            value(DISTANCE, TensorProto.FLOAT, [batch]),
            value(DIRECTIONS, TensorProto.FLOAT, [batch, cloud.directions.shape[1]]),
        ]
    )
    onnx.save(model, path)
    return cloud


def features(path: Path, rows: Mapping[str, np.ndarray], *, threads: int = 0) -> Floats:
    """What the model at `path` makes of `rows` by input name before its last layer, (N, F)."""
    runs = session.opened(session.part(onnx.load(path), [FEATURES]), threads)
    count = len(next(iter(rows.values())))
    found = [
        session.run(
            runs, [FEATURES], {n: a[start : start + _ROWS_AT_ONCE] for n, a in rows.items()}
        )
        for start in range(0, count, _ROWS_AT_ONCE)
    ]
    return np.concatenate([values for (values,) in found]).astype(np.float64)
