"""ResNet-18, -34 and -50, written out with torchvision's parameter names so that its weights load.

Written out because MONAI's defaults keep the stem at full resolution, four times the operations,
and importing it takes longer than many trainings.

References
----------
He et al. 2016, CVPR. The stride of a bottleneck sits on its 3×3 convolution, as in torchvision.
"""

from __future__ import annotations

from torch import Tensor, nn

from medpipe.nn.explanation import class_activation
from medpipe.nn.normalise import Normalise
from medpipe.nn.params import ImageModel

_DEPTHS = {"resnet18": (2, 2, 2, 2), "resnet34": (3, 4, 6, 3), "resnet50": (3, 4, 6, 3)}
_WIDTH = 64
_MIN_MAP_PX = 4
"""The last stage keeps its resolution where its map would otherwise have a shorter side.

The published strides are made for 224 px, where the last map is 7×7; at 64 px it would be 2×2, too
coarse to explain anything. One stride less makes it 4×4 for 1.6 times the work; `stem_stride: 2`
would do so for 2.5 times (measured, ResNet-18, batch 64). Parameters and their names stay the same.
"""


class BasicBlock(nn.Module):
    """Two 3×3 convolutions and a shortcut."""

    expansion = 1

    def __init__(self, channels: int, planes: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, planes, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = _shortcut(channels, planes, stride)

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.bn2(self.conv2(x))
        out: Tensor = self.relu(x + shortcut)
        return out


class Bottleneck(nn.Module):
    """1×1, 3×3 and 1×1 convolutions, four times wider at the end, and a shortcut."""

    expansion = 4

    def __init__(self, channels: int, planes: int, stride: int) -> None:
        super().__init__()
        out = planes * self.expansion
        self.conv1 = nn.Conv2d(channels, planes, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.conv3 = nn.Conv2d(planes, out, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = _shortcut(channels, out, stride)

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.relu(self.bn2(self.conv2(x)))
        x = self.bn3(self.conv3(x))
        out: Tensor = self.relu(x + shortcut)
        return out


class ResNet(nn.Module):
    """Stem, four stages, global average, dropout, one linear layer.

    Parameters
    ----------
    depths : blocks in each of the four stages
    width : channels of the stem; each stage doubles it
    stem_stride : pixels per step after the stem: 4 (strided convolution and pooling), 2 or 1
    last_stride : of the last stage, 1 or 2
    """

    def __init__(
        self,
        block: type[BasicBlock] | type[Bottleneck],
        depths: tuple[int, ...],
        *,
        channels: int,
        outputs: int,
        width: int,
        dropout: float,
        stem_stride: int,
        last_stride: int,
        normalise: Normalise,
    ) -> None:
        super().__init__()
        self.normalise = normalise
        stride = 1 if stem_stride == 1 else 2
        self.conv1 = nn.Conv2d(channels, width, 7, stride, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, padding=1) if stem_stride == 4 else nn.Identity()
        channels, stages = width, []
        for stage, (depth, stride) in enumerate(zip(depths, (1, 2, 2, last_stride), strict=True)):
            planes = width * 2**stage
            blocks = []
            for index in range(depth):
                blocks.append(block(channels, planes, 1 if index else stride))
                channels = planes * block.expansion
            stages.append(nn.Sequential(*blocks))
        self.layer1, self.layer2, self.layer3, self.layer4 = stages
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(channels, outputs)
        self.apply(_initialise)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (B, outputs) of images (B, C, S, S)."""
        return self._head(self._last_stage(x).mean((2, 3)))

    def explain(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logits, the class activation map (B, h, w) in the last stage's pixels, and features."""
        last = self._last_stage(x)
        features = last.mean((2, 3))
        logits = self._head(features)
        return logits, class_activation(last, self.fc.weight, logits), features

    def _last_stage(self, x: Tensor) -> Tensor:
        x = self.normalise(x)
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return x  # (B, 8·width·expansion, h, w)

    def _head(self, features: Tensor) -> Tensor:
        logits: Tensor = self.fc(self.dropout(features))
        return logits


def build(
    params: ImageModel, *, channels: int, outputs: int, size_px: int, normalise: Normalise
) -> ResNet:
    """See `medpipe.nn.build`."""
    strided = size_px // (params.stem_stride * 8)  # px of the last map, after three strided stages
    return ResNet(
        Bottleneck if params.architecture == "resnet50" else BasicBlock,
        _DEPTHS[params.architecture],
        channels=channels,
        outputs=outputs,
        width=params.width or _WIDTH,
        dropout=params.dropout,
        stem_stride=params.stem_stride,
        last_stride=2 if strided >= _MIN_MAP_PX else 1,
        normalise=normalise,
    )


def _shortcut(channels: int, out: int, stride: int) -> nn.Module | None:
    if stride == 1 and channels == out:
        return None
    return nn.Sequential(nn.Conv2d(channels, out, 1, stride, bias=False), nn.BatchNorm2d(out))


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
