"""fp32 ONNX → half precision: weights of 16 bits, half the file; inputs and outputs as they were.

What a sum of squares, a mean or a normalisation passes through stays fp32 by the converter's own
list, and so does all that only the map needs. A weight beyond half precision's range is no rounding
error but another network, so it is refused, not clipped as the converter would. ONNX Runtime's
processor kernels know few operations in half precision and convert around the others: such a file
is smaller, and seldom faster; the report measures both.

References
----------
binary16 of IEEE 754-2008: largest number 65 504, smallest normal one 6.1e-5.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper
from onnxruntime.transformers.float16 import convert_float_to_float16
from onnxruntime.transformers.onnx_model import OnnxModel

from medpipe.artefact.graph import OUTPUTS, needed, quiet
from medpipe.errors import DataError

_HALF, _SINGLE = onnx.TensorProto.FLOAT16, onnx.TensorProto.FLOAT
_ENDS = {_HALF: "_cast_to_fp16_node", _SINGLE: "_cast_to_fp32_node"}
_OUTPUT = "graph_output_cast"
"""How the converter names the casts that it puts in."""
_LARGEST = float(np.finfo(np.float16).max)


def halve(fp32: Path, fp16: Path) -> None:
    """Write the half-precision form of `fp32` to `fp16`; a map stays fp32 where it can.

    Raises
    ------
    DataError : a weight does not fit into half precision
    """
    model = onnx.load(fp32)
    _check_range(model.graph)
    # Shapes that the exporter noted hold fp32 types, which contradict the converted ones.
    del model.graph.value_info[:]
    scored = needed(model.graph, OUTPUTS[0])
    with quiet():
        halved = convert_float_to_float16(
            model,
            keep_io_types=True,
            node_block_list=[node.name for node in model.graph.node if node.name not in scored],
        )
    _tidy(halved.graph)
    OnnxModel(halved).topological_sort(is_deterministic=True)  # it adds casts at the end
    onnx.save(halved, fp16)


def _tidy(graph: onnx.GraphProto) -> None:
    """Put right the casts around nodes that stay fp32.

    The converter casts a value anew for each such node that reads it, under one name, and between
    two of them to half precision and back, where 1e-12 becomes 0.
    """
    halved = {node.output[0]: node.input[0] for node in graph.node if _is_cast(node, _HALF)}
    seen, kept = set[str](), []
    for node in graph.node:
        if node.output[0] in seen:
            continue
        seen.add(node.output[0])
        if _is_cast(node, _SINGLE) and node.input[0] in halved:
            node.input[0] = halved[node.input[0]]
        kept.append(node)
    read = {name for node in kept for name in node.input}
    del graph.node[:]
    graph.node.extend(n for n in kept if not _is_cast(n, _HALF) or n.output[0] in read)


def _is_cast(node: onnx.NodeProto, to: int) -> bool:
    """Whether the converter put `node` in: from fp32 to half precision, or back."""
    ours = node.name.endswith(_ENDS[to]) or (node.name.startswith(_OUTPUT) and to == _SINGLE)
    return bool(node.op_type == "Cast" and ours)


def _check_range(graph: onnx.GraphProto) -> None:
    for weight in graph.initializer:
        values = numpy_helper.to_array(weight)
        if values.dtype == np.float32 and values.size and np.abs(values).max() > _LARGEST:
            raise DataError(
                f"weight {weight.name} reaches {np.abs(values).max():.3g}, and half precision ends "
                f"at {_LARGEST:.0f}; take fp16 out of export.variants, or train with more l2"
            )
