"""Which processor trains, and in which precision."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from medpipe.config import TrainParams, prefer
from medpipe.errors import ParamsError

_FAST_BF16 = ("avx512_bf16", "amx_bf16")
"""Processor flags with which bfloat16 pays; without them it is emulated, four times slower."""
_CUBLAS_WORKSPACE = ":4096:8"
"""Buffers of cuBLAS with which its sums keep their order (cuBLAS, "Results reproducibility")."""


@dataclass(frozen=True)
class Hardware:
    """What a training runs on.

    Parameters
    ----------
    accelerator : as Lightning calls it
    name : of the processor, for logs and runs
    """

    accelerator: Literal["cpu", "cuda"]
    devices: int
    nodes: int
    strategy: Literal["auto", "ddp"]
    precision: Literal["fp32", "bf16"]
    name: str


def choose(params: TrainParams) -> Hardware:
    """The processor, precision and strategy that `params` ask for, "auto" decided.

    Raises
    ------
    ParamsError : a GPU, more devices, or bf16 on a GPU without it are asked for and not there
    """
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    on_gpu = params.device == "gpu" or (params.device == "auto" and gpus > 0)
    if on_gpu and params.devices > gpus:
        raise ParamsError(
            f"train.device is {params.device!r} with devices {params.devices}, but torch "
            f"{torch.__version__} sees {gpus} CUDA devices here; lower devices, or set device: cpu"
        )
    if params.strategy not in ("auto", "ddp"):
        raise ParamsError(
            f"train.strategy is {params.strategy!r}; known: auto, ddp. These networks fit on one "
            "device, so strategies that split a network only cost"
        )
    return Hardware(
        accelerator="cuda" if on_gpu else "cpu",
        devices=params.devices,
        nodes=params.nodes,
        strategy="ddp" if params.strategy == "ddp" else "auto",
        precision=_gpu_precision(params) if on_gpu else _cpu_precision(params),
        name=torch.cuda.get_device_name() if on_gpu else "cpu",
    )


def has_fast_bf16(capabilities: Mapping[str, object]) -> bool:
    """Whether a processor with these flags (as of `torch.cpu.get_capabilities`) gains by bf16."""
    return any(capabilities.get(flag) for flag in _FAST_BF16)


@contextmanager
def exact(device: torch.device) -> Iterator[None]:
    """The same draws and sums every time, and the caller's generators as they were.

    A CUDA device adds numbers in the order in which its threads happen to end, unless told not to;
    an operation for which there is no ordered way is warned of. Attention is computed step by step
    there, because its fused kernels keep no order while others are only warned of. Fresh memory is
    not filled first: that guards against reading what nobody wrote, at the price of a write of
    every tensor.
    """
    on_gpu = device.type == "cuda"
    if on_gpu:
        prefer("CUBLAS_WORKSPACE_CONFIG", _CUBLAS_WORKSPACE)
    was = torch.are_deterministic_algorithms_enabled()
    warned = torch.is_deterministic_algorithms_warn_only_enabled()
    memory: Any = torch.utils.deterministic  # torch declares no types for it
    filled = memory.fill_uninitialized_memory
    with (
        torch.random.fork_rng([device.index] if on_gpu else []),
        torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True),
        sdpa_kernel(SDPBackend.MATH) if on_gpu else nullcontext(),
    ):
        try:
            torch.use_deterministic_algorithms(on_gpu or was, warn_only=True)
            memory.fill_uninitialized_memory = False
            yield
        finally:
            torch.use_deterministic_algorithms(was, warn_only=warned)
            memory.fill_uninitialized_memory = filled


def _cpu_precision(params: TrainParams) -> Literal["fp32", "bf16"]:
    if params.precision == "auto":
        return "bf16" if has_fast_bf16(torch.cpu.get_capabilities()) else "fp32"
    return params.precision


def _gpu_precision(params: TrainParams) -> Literal["fp32", "bf16"]:
    able = torch.cuda.is_bf16_supported(including_emulation=False)
    if params.precision == "bf16" and not able:
        raise ParamsError(
            f"train.precision is bf16, which {torch.cuda.get_device_name()} has not; set auto"
        )
    return "bf16" if able and params.precision != "fp32" else "fp32"
