"""DenseNet-121: MONAI's, with a head that explains.

References
----------
Huang et al. 2017, CVPR; Rajpurkar et al. 2017, arXiv:1711.05225 (on chest radiographs).
"""

from __future__ import annotations

from monai.networks.nets.densenet import DenseNet
from torch import Tensor, nn

from medpipe.errors import ParamsError
from medpipe.nn.explanation import class_activation
from medpipe.nn.normalise import Normalise
from medpipe.nn.params import ImageModel

_BLOCKS = (6, 12, 24, 16)
_WIDTH = 64
_GROWTH_PER_WIDTH = 2
"""The published network grows by 32 channels a layer from a stem of 64."""
_MIN_PX = 32
"""Five halvings: the last map is one pixel."""


class DenseNet121(nn.Module):
    """Dense blocks, global average, dropout, one linear layer."""

    def __init__(
        self, *, channels: int, outputs: int, width: int, dropout: float, normalise: Normalise
    ) -> None:
        super().__init__()
        body = DenseNet(
            spatial_dims=2,
            in_channels=channels,
            out_channels=outputs,
            init_features=width,
            growth_rate=width // _GROWTH_PER_WIDTH,
            block_config=_BLOCKS,
        )
        self.normalise = normalise
        self.features = body.features
        self.dropout = nn.Dropout(dropout)
        self.classifier = body.class_layers.out

    def forward(self, x: Tensor) -> Tensor:
        """Logits (B, outputs) of images (B, C, S, S)."""
        return self._head(self._last_block(x).mean((2, 3)))

    def explain(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logits, the class activation map (B, S/32, S/32), and features."""
        last = self._last_block(x)
        features = last.mean((2, 3))
        logits = self._head(features)
        return logits, class_activation(last, self.classifier.weight, logits), features

    def _last_block(self, x: Tensor) -> Tensor:
        last: Tensor = self.features(self.normalise(x)).relu()
        return last  # (B, C, h, w)

    def _head(self, features: Tensor) -> Tensor:
        logits: Tensor = self.classifier(self.dropout(features))
        return logits


def build(
    params: ImageModel, *, channels: int, outputs: int, size_px: int, normalise: Normalise
) -> DenseNet121:
    """See `medpipe.nn.build`."""
    if size_px < _MIN_PX:
        raise ParamsError(
            f"preprocess.size_px is {size_px}; densenet121 needs at least {_MIN_PX}; take small_cnn"
        )
    return DenseNet121(
        channels=channels,
        outputs=outputs,
        width=params.width or _WIDTH,
        dropout=params.dropout,
        normalise=normalise,
    )
