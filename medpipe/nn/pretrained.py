"""Weights from a local file as the starting point of a network."""

from __future__ import annotations

import logging
import pickle
import re
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from medpipe.errors import ParamsError

_MIN_SHARE = 0.5
"""Of the network's parameter tensors: with fewer found it is another architecture's file."""
_NAMED = 8
"""Missing names that an error lists."""
_CONTAINERS = ("state_dict", "model", "model_state_dict")
_OWN = "normalise."
"""Mean and std come from the training rows, never from a file."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Matched:
    """What of a file went into a network, by parameter name.

    Parameters
    ----------
    loaded : taken from the file
    reshaped : of `loaded`, summed over the file's input channels
    fresh : not in the file, or of another shape there: they keep their random start
    unused : in the file only
    """

    loaded: tuple[str, ...]
    reshaped: tuple[str, ...]
    fresh: tuple[str, ...]
    unused: tuple[str, ...]


def load(network: nn.Module, path: Path) -> Matched:
    """Copy what fits from the weights in `path` (.safetensors, or a torch file of tensors only).

    Names of torchvision's ResNet and DenseNet fit. A first convolution of another number of input
    channels is summed over them, which is exact for a grey image repeated in each channel.

    Raises
    ------
    ParamsError : no such file, not a file of tensors, or too little in it fits; the message lists
        the names that were missed
    """
    theirs = _read(path)
    ours = {
        name: value for name, value in network.state_dict().items() if not name.startswith(_OWN)
    }
    found, reshaped = {}, []
    for name, value in ours.items():
        given = theirs.get(name)
        if given is not None and given.shape != value.shape and _sums_to(given, value):
            given = given.sum(1, keepdim=True)
            reshaped.append(name)
        if given is not None and given.shape == value.shape:
            found[name] = given
    _check(network, found, path)
    network.load_state_dict(found, strict=False)
    matched = Matched(
        loaded=tuple(found),
        reshaped=tuple(reshaped),
        fresh=tuple(name for name in ours if name not in found),
        unused=tuple(name for name in theirs if name not in found),
    )
    _log.info(
        "init_from %s: %d of %d tensors loaded (%d summed over input channels), fresh: %s",
        path.name, len(found), len(ours), len(reshaped), ", ".join(matched.fresh) or "none",
    )  # fmt: skip
    return matched


def _read(path: Path) -> dict[str, Tensor]:
    try:
        if path.suffix == ".safetensors":
            content = load_file(path)
        else:
            content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise ParamsError(
            f"model.init_from: {path} is not there; paths are relative to the project"
        ) from None
    except (SafetensorError, pickle.UnpicklingError, RuntimeError, EOFError, KeyError) as error:
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise ParamsError(
            f"model.init_from: {path} is not a file of tensors ({reason}); "
            "save a state_dict as .safetensors"
        ) from None
    for key in _CONTAINERS:
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    if not isinstance(content, dict):
        raise ParamsError(
            f"model.init_from: {path} holds a {type(content).__name__}, no state_dict"
        )
    return {_renamed(name): value for name, value in content.items() if torch.is_tensor(value)}


def _renamed(name: str) -> str:
    """Without the prefix of a wrapped model; MONAI's names for torchvision's dense layers."""
    name = name.removeprefix("module.")
    return re.sub(r"(denselayer\d+)\.(norm|conv)\.?([12])\.", r"\1.layers.\2\3.", name)


def _sums_to(given: Tensor, value: Tensor) -> bool:
    return given.ndim == 4 and value.shape == (given.shape[0], 1, *given.shape[2:])


def _check(network: nn.Module, found: dict[str, Tensor], path: Path) -> None:
    body = [name for name, _ in network.named_parameters()]
    missing = [name for name in body if name not in found]
    if len(missing) <= (1 - _MIN_SHARE) * len(body):
        return
    more = f" and {len(missing) - _NAMED} more" if len(missing) > _NAMED else ""
    raise ParamsError(
        f"model.init_from: {path} has {len(body) - len(missing)} of {len(body)} parameters of this "
        f"network, less than {_MIN_SHARE:.0%}; missing: {', '.join(missing[:_NAMED])}{more}. Is it "
        "another architecture or width?"
    )
