"""Networks. Importing this package loads no torch: workloads import its parameters."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from medpipe.nn.params import ImageModel, SeriesModel, TableModel

if TYPE_CHECKING:
    from torch import nn

_BUILDERS = {
    "small_cnn": "small_cnn",
    "resnet18": "resnet",
    "resnet34": "resnet",
    "resnet50": "resnet",
    "densenet121": "densenet",
    "vit": "transformer",
}
"""Architecture → the module that builds it, imported only then: MONAI alone costs six seconds."""


def build(
    params: ImageModel,
    *,
    channels: int,
    outputs: int,
    size_px: int,
    mean: float | Sequence[float],
    std: float | Sequence[float],
) -> nn.Module:
    """The untrained network that `params` describe, for square images of `size_px`.

    It gives ``forward(x) -> logits (B, outputs)`` and ``explain(x) -> (logits, map (B, h, w),
    features (B, F))`` for ``x`` of shape (B, channels, size_px, size_px), uint8 (or float in 0…255,
    as augmentation leaves it). The map is the evidence for the output with the highest logit, for
    the positive class where there is one output; it is 0…1, each image's own maximum being 1, and
    all 0 where nothing speaks for it. Features are what the last layer reads, before the last
    nonlinearity where that acts on them alone. `params.init_from` is not read here: building reads
    no files (see `pretrained.load`).

    Parameters
    ----------
    mean, std : of the training pixels, in 0…255, one number or one per channel; std above 0

    Raises
    ------
    ParamsError : `size_px` does not fit the architecture, or mean and std do not fit `channels`
    """
    from medpipe.nn.normalise import Normalise  # delayed: torch

    builder = importlib.import_module(f"{__name__}.{_BUILDERS[params.architecture]}")
    network: nn.Module = builder.build(
        params,
        channels=channels,
        outputs=outputs,
        size_px=size_px,
        normalise=Normalise(channels, mean=mean, std=std),
    )
    return network


def build_table(
    params: TableModel, *, numbers: int, categories: Sequence[tuple[str, int]], outputs: int
) -> nn.Module:
    """The untrained network that `params` describe, for rows of a table.

    It gives ``forward(numbers, known, codes) -> logits (B, outputs)``: `numbers` (B, F) float,
    standardised; `known` (B, F) float, 1 where the number is known and 0 where not; `codes` (B, C)
    whole numbers, 0 for not known. ``forward`` is ``classify(features(…))``; what explains it is
    `medpipe.nn.occlusion.Occlusion`.

    Parameters
    ----------
    numbers : F
    categories : for each of the C columns the name of its vocabulary and how many codes that has,
        the code 0 among them; columns of one vocabulary share what is learned of its words
    """
    from medpipe.nn.averaged import averaged  # delayed: torch

    builder = importlib.import_module(f"{__name__}.{params.architecture}")

    def member() -> nn.Module:
        made: nn.Module = builder.build(
            params, numbers=numbers, categories=categories, outputs=outputs
        )
        return made

    return averaged(member, members=params.members)


def build_series(params: SeriesModel, *, variables: int, descriptors: int, hours: int) -> nn.Module:
    """The untrained network that `params` describe, for series on a grid of hours.

    It gives ``forward(descriptors, measured, values) -> logits (B, 1)``: `descriptors` (B, D)
    float, what does not change; `measured` (B, T, V) 0 or 1; `values` (B, T, V) float,
    standardised, 0 where not measured. ``forward`` is ``classify(features(…))``; what explains it
    is `medpipe.nn.occlusion.Occlusion`.

    Parameters
    ----------
    variables, descriptors, hours : V, D and T
    """
    from medpipe.nn import series  # delayed: torch

    return series.build(params, variables=variables, descriptors=descriptors, hours=hours)


__all__ = ["ImageModel", "SeriesModel", "TableModel", "build", "build_series", "build_table"]
