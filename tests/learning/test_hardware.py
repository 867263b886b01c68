"""Which processor, and in which precision."""

from __future__ import annotations

import pytest
import torch

from medpipe.config import TrainParams
from medpipe.errors import ParamsError
from medpipe.learning.hardware import choose, exact, has_fast_bf16

NO_GPU = pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device here")


@pytest.mark.parametrize(
    ("flags", "fast"),
    [
        ({"avx512_bf16": True}, True),
        ({"amx_bf16": True, "avx512_bf16": False}, True),
        ({"avx512_f": True, "avx512_vnni": True, "avx512_bf16": False}, False),
        ({}, False),
    ],
)
def test_bf16_pays_only_where_the_processor_has_it(flags: dict[str, object], fast: bool) -> None:
    assert has_fast_bf16(flags) is fast


def test_auto_precision_of_a_processor_follows_its_flags() -> None:
    chosen = choose(TrainParams(device="cpu"))
    assert chosen.accelerator == "cpu"
    fast = has_fast_bf16(torch.cpu.get_capabilities())
    assert chosen.precision == ("bf16" if fast else "fp32")


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_named_precision_is_obeyed(precision: str) -> None:
    assert choose(TrainParams(device="cpu", precision=precision)).precision == precision


@NO_GPU
def test_auto_takes_the_processor_where_there_is_no_gpu() -> None:
    assert choose(TrainParams()).accelerator == "cpu"


@NO_GPU
def test_a_gpu_that_is_not_there_is_refused() -> None:
    with pytest.raises(ParamsError, match="sees 0 CUDA devices here; lower devices, or set device"):
        choose(TrainParams(device="gpu"))


def test_a_strategy_that_splits_networks_is_refused() -> None:
    with pytest.raises(ParamsError, match="'fsdp'; known: auto, ddp"):
        choose(TrainParams(device="cpu", strategy="fsdp"))


def test_a_training_that_is_exact_keeps_the_fast_kernels() -> None:
    """Switched off, cuDNN leaves convolutions to loops over the images of a batch."""
    with exact(torch.device("cpu")):
        assert torch.backends.cudnn.enabled
        assert torch.backends.cudnn.deterministic
    assert not torch.backends.cudnn.deterministic
