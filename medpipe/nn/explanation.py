"""Where in the image the evidence lies, without autograd, so that it exports with the network.

HiResCAM multiplies each activation of the last feature map by the derivative of the logit with
respect to it, and adds over channels; unlike Grad-CAM it shows only places that the network really
used. For a linear head on a global average the derivative is the head's weight over h·w, which is
classic CAM.

References
----------
Draelos & Carin 2020, arXiv:2011.08891 (HiResCAM; its equality with CAM for such heads).
Zhou et al. 2016, CVPR (CAM).
"""

from __future__ import annotations

from torch import Tensor

_EPS = 1e-12
"""Below any maximum that float32 activations reach; keeps an empty map at 0 instead of 0/0."""


def chosen(weight: Tensor, logits: Tensor) -> Tensor:
    """Rows of the last layer's `weight` (K, F) for the output to explain: (B, F), one for K = 1."""
    return weight if weight.shape[0] == 1 else weight[logits.argmax(1)]


def class_activation(features: Tensor, weight: Tensor, logits: Tensor) -> Tensor:
    """Map (B, h, w) of a linear head on a global average.

    Parameters
    ----------
    features : (B, C, h, w), what is averaged
    weight : (K, C), of the head
    logits : (B, K), what the head gave
    """
    evidence = features * chosen(weight, logits)[:, :, None, None]
    return scaled(evidence.sum(1))


def scaled(evidence: Tensor) -> Tensor:
    """`evidence` (B, h, w) without what speaks against, each image's own maximum at 1."""
    positive = evidence.relu()
    return positive / positive.amax((1, 2), keepdim=True).clamp(min=_EPS)
