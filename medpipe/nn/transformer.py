"""Vision transformer: MONAI's blocks, with a head that explains.

The head is linear on the mean of the tokens instead of a class token, so that a logit is the mean
of what each patch contributes, and the map is exact rather than a reading of attention.

References
----------
Dosovitskiy et al. 2021, ICLR; Beyer et al. 2022, arXiv:2205.01580 (mean of tokens does as well).
"""

from __future__ import annotations

from monai.networks.nets.vit import ViT
from torch import Tensor, nn

from medpipe.errors import ParamsError
from medpipe.nn.explanation import chosen, scaled
from medpipe.nn.normalise import Normalise
from medpipe.nn.params import ImageModel

_MLP_PER_DIM = 4
"""Width of a block's inner layer, as published."""


class VisionTransformer(nn.Module):
    """Patches, blocks of attention, mean over tokens, one linear layer."""

    def __init__(
        self,
        params: ImageModel,
        *,
        channels: int,
        outputs: int,
        size_px: int,
        normalise: Normalise,
    ) -> None:
        super().__init__()
        self.normalise = normalise
        self.side = size_px // params.patch_px
        self.body = ViT(
            in_channels=channels,
            img_size=(size_px, size_px),
            patch_size=(params.patch_px, params.patch_px),
            hidden_size=params.dim,
            mlp_dim=_MLP_PER_DIM * params.dim,
            num_layers=params.depth,
            num_heads=params.heads,
            dropout_rate=params.dropout,
            spatial_dims=2,
        )
        for block in self.body.blocks:  # never used without a second sequence; DDP stumbles over it
            block.norm_cross_attn = nn.Identity()
        self.head = nn.Linear(params.dim, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (B, outputs) of images (B, C, S, S)."""
        logits: Tensor = self.head(self._tokens(x).mean(1))
        return logits

    def explain(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logits, each patch's contribution (B, S/patch, S/patch), and features."""
        tokens = self._tokens(x)
        features = tokens.mean(1)
        logits = self.head(features)
        weight = chosen(self.head.weight, logits)  # (B, dim)
        evidence = (tokens * weight[:, None, :]).sum(2)  # (B, T)
        return logits, scaled(evidence.view(-1, self.side, self.side)), features

    def _tokens(self, x: Tensor) -> Tensor:
        tokens: Tensor = self.body(self.normalise(x))[0]
        return tokens  # (B, T, dim)


def build(
    params: ImageModel, *, channels: int, outputs: int, size_px: int, normalise: Normalise
) -> VisionTransformer:
    """See `medpipe.nn.build`."""
    if size_px % params.patch_px:
        raise ParamsError(
            f"preprocess.size_px is {size_px}, which model.patch_px {params.patch_px} does not "
            "divide; choose a patch_px that does"
        )
    return VisionTransformer(
        params, channels=channels, outputs=outputs, size_px=size_px, normalise=normalise
    )
