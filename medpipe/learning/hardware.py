"""Which processor trains, and in which precision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch

from medpipe.config import TrainParams
from medpipe.errors import ParamsError

_FAST_BF16 = ("avx512_bf16", "amx_bf16")
"""Processor flags with which bfloat16 pays; without them it is emulated, four times slower."""


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
