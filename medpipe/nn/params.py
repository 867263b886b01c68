"""What a person may choose about a network and its augmentation. No torch: the command reads it."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from medpipe.workload import Section

Architecture = Literal["small_cnn", "resnet18", "resnet34", "resnet50", "densenet121", "vit"]
Members = Annotated[
    int,
    Field(ge=1, le=32, description="networks whose logits are averaged; each learns on its own"),
]


class ImageModel(Section):
    """A network for images, by architecture."""

    architecture: Architecture = "resnet18"
    width: int | None = Field(
        None,
        ge=4,
        le=512,
        description="channels of the first block; none: 16 for small_cnn, 64 for the others",
    )
    dropout: float = Field(0.0, ge=0, lt=1, description="before the last layer; vit: in each block")
    batch_norm: bool = Field(
        True, description="false only for small_cnn; the others are built on it"
    )
    stem_stride: Literal[1, 2, 4] = Field(
        4, description="resnet: pixels per step after the stem; 4 as published, less: finer, slower"
    )
    patch_px: int = Field(8, ge=2, le=64, description="vit: side of a patch")
    dim: int = Field(192, ge=8, le=1024, description="vit: length of a token")
    depth: int = Field(6, ge=1, le=32, description="vit: blocks")
    heads: int = Field(3, ge=1, le=32, description="vit: attention heads; they divide dim")
    init_from: str | None = Field(
        None,
        description="weights to start from: .safetensors or .pth, relative to the project",
    )

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if not self.batch_norm and self.architecture not in ("small_cnn", "vit"):
            raise ValueError(
                f"batch_norm: false is for small_cnn; {self.architecture} needs batch normalisation"
            )
        if self.dim % self.heads:
            raise ValueError(f"dim {self.dim} is not divisible by heads {self.heads}")
        return self


class AugmentParams(Section):
    """Random changes of a radiograph that leave its diagnosis true. Zero switches a change off."""

    rotate_deg: float = Field(8.0, ge=0, le=45)
    shift_share: float = Field(0.05, ge=0, le=0.5, description="of the side")
    scale_share: float = Field(0.08, ge=0, le=0.5)
    brightness: float = Field(0.10, ge=0, le=1, description="of the full range")
    contrast: float = Field(0.15, ge=0, lt=1)
    noise: float = Field(0.02, ge=0, le=0.5, description="standard deviation, of the full range")
    erase_share: float = Field(0.0, ge=0, le=0.5, description="side of an erased square")
    flip: bool = Field(
        False, description="mirror left and right: moves the heart; off for radiographs"
    )


class TableModel(Section):
    """A network for rows of numbers and categories, by architecture."""

    architecture: Literal["mlp", "ft_transformer"] = "mlp"
    layers: int = Field(2, ge=1, le=16, description="mlp: hidden layers; ft_transformer: blocks")
    dropout: float = Field(0.2, ge=0, lt=1)
    width: int = Field(128, ge=4, le=4096, description="mlp: units of a layer")
    embedding: int = Field(8, ge=1, le=256, description="mlp: length of a category's vector")
    dim: int = Field(48, ge=4, le=1024, description="ft_transformer: length of a token")
    heads: int = Field(4, ge=1, le=32, description="ft_transformer: attention heads; divide dim")
    members: Members = 1

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.dim % self.heads:
            raise ValueError(f"dim {self.dim} is not divisible by heads {self.heads}")
        return self


class SeriesModel(Section):
    """A network for measurements on a grid of hours, by architecture."""

    architecture: Literal["gru", "lstm", "gru_d", "transformer", "tcn"] = "gru"
    hidden: int = Field(32, ge=4, le=1024, description="width of the encoder; heads divide it")
    layers: int = Field(1, ge=1, le=16, description="of gru, lstm, transformer and tcn")
    heads: int = Field(4, ge=1, le=32, description="transformer: attention heads")
    kernel: int = Field(3, ge=2, le=9, description="tcn: hours that one convolution sees")
    dropout: float = Field(0.3, ge=0, lt=1, description="before the last layer, and between layers")
    summary: int = Field(
        64,
        ge=0,
        le=1024,
        description="width of the layer on last, mean, lowest, … of each series; 0: without",
    )
    members: Members = 1

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.architecture == "transformer" and self.hidden % (2 * self.heads):
            raise ValueError(
                f"hidden {self.hidden} is not divisible by twice the heads, {2 * self.heads}"
            )
        return self


class HideParams(Section):
    """Fields that are hidden while the network learns, so that it can answer without them."""

    hide: float = Field(0.05, ge=0, lt=1, description="probability of each field, in each row")
