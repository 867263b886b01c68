"""What an image stands on, for processors and for NVIDIA's graphics cards."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field

from medpipe.sections import ImageParams

_PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
_UBUNTU_PYTHON = "3.12"
"""Of Ubuntu 24.04, which NVIDIA's images for CUDA 13 are made of."""
_FOLDERS = "cd $BENTOML_HOME && mkdir -p bentos models envs tmp"
"""BentoML wants them at every start, and the file system may be read-only then."""
_APT = "apt-get install -y --no-install-recommends python3 python3-pip ca-certificates"


@dataclass(frozen=True)
class Base:
    """What a bento needs to know of the image that is made of it.

    Parameters
    ----------
    image : name of the base image
    python : version that is to be there; the build fetches none
    commands : run as root before anything is installed
    needs_gpu : whether it is of use with a graphics card only
    instead : requirement → what is installed in its place
    """

    image: str
    python: str
    commands: tuple[str, ...]
    needs_gpu: bool = False
    instead: Mapping[str, str] = field(default_factory=dict)

    @property
    def suffix(self) -> str:
        """Of the bento's name."""
        return "_gpu" if self.needs_gpu else ""


def cpu(params: ImageParams) -> Base:
    """For processors; the default."""
    image = params.base or f"docker.io/library/python:{_PYTHON}-slim"
    return Base(image, _PYTHON, commands=(_FOLDERS,))


def cuda(params: ImageParams) -> Base:
    """For NVIDIA's graphics cards: ONNX Runtime is built for what `params.cuda_base` holds."""
    return Base(
        params.cuda_base,
        _UBUNTU_PYTHON,
        commands=(
            _FOLDERS,
            f"apt-get update && {_APT} && rm -rf /var/lib/apt/lists/*",
            "pip install --no-cache-dir --break-system-packages uv",  # PEP 668 forbids BentoML's
        ),
        needs_gpu=True,
        instead={"onnxruntime": "onnxruntime-gpu"},
    )
