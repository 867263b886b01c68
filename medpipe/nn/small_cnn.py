"""The classic small network: three convolution–pooling blocks and a dense head."""

from __future__ import annotations

from torch import Tensor, nn

from medpipe.errors import ParamsError
from medpipe.nn.explanation import chosen, scaled
from medpipe.nn.normalise import Normalise
from medpipe.nn.params import ImageModel

_BLOCKS = 3
_WIDTH = 16
_HIDDEN_PER_WIDTH = 8
"""Units of the dense layer per channel of the first block: 128 by default."""


class SmallCNN(nn.Module):
    """Blocks of 3×3 convolution, optional batch norm, ReLU, 2×2 pooling; then two dense layers."""

    def __init__(
        self,
        *,
        channels: int,
        outputs: int,
        size_px: int,
        width: int,
        dropout: float,
        batch_norm: bool,
        normalise: Normalise,
    ) -> None:
        super().__init__()
        side = size_px // 2**_BLOCKS
        last = width * 2 ** (_BLOCKS - 1)
        self.normalise = normalise
        self.features = nn.Sequential(*_blocks(channels, width, batch_norm))
        self.hidden = nn.Linear(last * side * side, _HIDDEN_PER_WIDTH * width)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(_HIDDEN_PER_WIDTH * width, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (B, outputs) of images (B, C, S, S)."""
        features = self.features(self.normalise(x))  # (B, 4·width, S/8, S/8)
        return self._head(self.hidden(features.flatten(1)))

    def explain(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logits, the HiResCAM map (B, S/8, S/8), and the hidden layer before its ReLU.

        The derivative of a logit with respect to the features is, through the one ReLU of the head,
        the last layer's weights where the hidden unit is active, times the hidden layer's weights.
        """
        features = self.features(self.normalise(x))
        hidden = self.hidden(features.flatten(1))
        logits = self._head(hidden)
        active = (hidden > 0).to(hidden.dtype) * chosen(self.head.weight, logits)  # (B, hidden)
        gradient = (active @ self.hidden.weight).view_as(features)
        return logits, scaled((features * gradient).sum(1)), hidden

    def _head(self, hidden: Tensor) -> Tensor:
        logits: Tensor = self.head(self.dropout(hidden.relu()))
        return logits


def build(
    params: ImageModel, *, channels: int, outputs: int, size_px: int, normalise: Normalise
) -> SmallCNN:
    """See `medpipe.nn.build`."""
    if size_px < 2**_BLOCKS:
        raise ParamsError(
            f"preprocess.size_px is {size_px}; small_cnn halves it {_BLOCKS} times and needs at "
            f"least {2**_BLOCKS}"
        )
    return SmallCNN(
        channels=channels,
        outputs=outputs,
        size_px=size_px,
        width=params.width or _WIDTH,
        dropout=params.dropout,
        batch_norm=params.batch_norm,
        normalise=normalise,
    )


def _blocks(channels: int, width: int, batch_norm: bool) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for block in range(_BLOCKS):
        out = width * 2**block
        # a bias before batch norm would be subtracted again
        layers.append(nn.Conv2d(channels, out, 3, padding=1, bias=not batch_norm))
        if batch_norm:
            layers.append(nn.BatchNorm2d(out))
        layers += [nn.ReLU(inplace=True), nn.MaxPool2d(2)]
        channels = out
    return layers
