"""fp32 ONNX → int8 ONNX: static, per channel, for the path to the logit; the map stays fp32.

Unsigned activations with signed weights are what processors have instructions for; signed
activations run no faster than fp32. On x86 without VNNI such products can saturate, so what the
artefact loses is measured on the machine that exports it, and the gate judges it (`parity`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)

from medpipe.artefact.graph import FEATURES, OUTPUTS, needed, quiet

_WEIGHTED = frozenset({"Conv", "Gemm", "MatMul"})
_QUANTISED = (*sorted(_WEIGHTED), "Add", "AveragePool", "Concat", "MaxPool", "Relu")
_ROWS_AT_ONCE = 32


def quantise(fp32: Path, int8: Path, rows: Mapping[str, np.ndarray]) -> None:
    """Write the int8 form of `fp32` to `int8`.

    Parameters
    ----------
    rows : training rows by input name, (n, …), whose activations set the ranges
    """
    model = onnx.load(fp32)
    # Shapes that the exporter noted contradict those that quantisation infers, and stop it.
    del model.graph.value_info[:]
    with TemporaryDirectory(dir=int8.parent) as folder, quiet():
        plain = Path(folder) / "plain.onnx"
        onnx.save(model, plain)
        quantize_static(
            plain,
            int8,
            _Batches(rows),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=list(_QUANTISED),
            per_channel=True,
            weight_type=QuantType.QInt8,
            activation_type=QuantType.QUInt8,
            calibrate_method=CalibrationMethod.MinMax,
            nodes_to_exclude=kept(model.graph),
        )


def kept(graph: onnx.GraphProto) -> list[str]:
    """Names of the nodes that stay fp32: those of the map alone, and what comes before any weights.

    The first would cost accuracy for nothing; the second is the normalisation of uint8 pixels,
    which rounding to int8 once more would only blur. So does a ReLU that reads the features: it
    would be folded into their range, and cut them at 0.
    """
    scored, weighed = needed(graph, OUTPUTS[0]), set[str]()
    names = []
    for node in graph.node:
        if node.op_type in _WEIGHTED or weighed.intersection(node.input):
            weighed.update(node.output)
        cuts = node.op_type == "Relu" and FEATURES in node.input
        if cuts or not (node.name in scored and weighed.intersection(node.output)):
            names.append(node.name)
    return names


class _Batches(CalibrationDataReader):  # type: ignore[misc]
    """Rows in batches, as the calibration asks for them."""

    def __init__(self, rows: Mapping[str, np.ndarray]) -> None:
        self._batches = self._read(rows)

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(self._batches, None)

    @staticmethod
    def _read(rows: Mapping[str, np.ndarray]) -> Iterator[dict[str, np.ndarray]]:
        count = len(next(iter(rows.values())))
        for start in range(0, count, _ROWS_AT_ONCE):
            yield {name: array[start : start + _ROWS_AT_ONCE] for name, array in rows.items()}
