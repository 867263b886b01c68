"""Two invented X-ray units that turn attenuation into stored pixel values, each in its own way.

They differ as units of two hospitals do (contrast, noise, sharpness, bit depth, polarity), so that
a model can be seen to learn the unit instead of the disease, and be held to account by site.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

_LEAD = 1.05  # attenuation of the marker: more than any bone's
Photometric = Literal["MONOCHROME1", "MONOCHROME2"]


@dataclass(frozen=True)
class Scanner:
    """One unit, and what its header says of it."""

    institution: str
    address: str
    station: str
    manufacturer: str
    model: str
    serial: str
    modality: Literal["CR", "DX"]
    photometrics: tuple[Photometric, ...]
    bits: tuple[int, ...]
    gamma: float
    blur_px: float
    edge: float
    noise: float
    has_window: bool
    """Whether it writes a display window; readers must find their own for the other's images."""
    inverted: bool = False
    """Whether it stores the negative of what its header says: a fault of its software."""


SCANNERS = (
    Scanner(
        institution="Ashdown Moor General Hospital",
        address="1 Invented Lane, Ashdown Moor",
        station="AMGH-XR2",
        manufacturer="Northwind Imaging",
        model="Plate Reader 40",
        serial="NW-40-00317",
        modality="CR",
        photometrics=("MONOCHROME1", "MONOCHROME1", "MONOCHROME2"),
        bits=(8, 12, 12),
        gamma=0.85,
        blur_px=1.3,
        edge=0.0,
        noise=0.035,
        has_window=False,
    ),
    Scanner(
        institution="Royal Fernhill Infirmary",
        address="22 Nowhere Street, Fernhill",
        station="RFI-DR-01",
        manufacturer="Lumen Radiography",
        model="ClearField DR",
        serial="LR-CF-88120",
        modality="DX",
        photometrics=("MONOCHROME2",),
        bits=(12, 16, 16),
        gamma=1.15,
        blur_px=0.6,
        edge=0.9,
        noise=0.022,
        has_window=True,
    ),
)
"""An older unit with image plates, and a newer one with a flat panel."""


@dataclass(frozen=True)
class Exposure:
    """One stored image. `window` is centre and width in stored values, None if not written."""

    pixels: np.ndarray
    bits: int
    photometric: Photometric
    window: tuple[float, float] | None


def expose(
    scanner: Scanner, film: np.ndarray, *, marker: str, rng: np.random.Generator
) -> Exposure:
    """`film`, float32 (H, W) attenuation, as `scanner` stores it today.

    Parameters
    ----------
    marker : the lead letter beside the shoulder, "L" or "R"
    """
    bits = int(rng.choice(scanner.bits))
    photometric = scanner.photometrics[int(rng.integers(len(scanner.photometrics)))]
    image = cv2.GaussianBlur(film, (0, 0), scanner.blur_px)
    if scanner.edge:  # the panel's software sharpens
        image = image + scanner.edge * (image - cv2.GaussianBlur(image, (0, 0), 4.0))
    low, high = float(film.min()), float(np.percentile(film[::4, ::4], 99.5))
    shares = np.clip((image - low) / (high - low), 0, 1.2) ** (scanner.gamma * rng.normal(1, 0.05))
    shares = _marked(shares.astype(np.float32), marker, rng)
    # Few quanta pass where the body is dense, and noise is what they leave.
    grain = rng.standard_normal(shares.shape, dtype=np.float32)
    shares += scanner.noise * rng.uniform(0.7, 1.3) * (0.4 + 0.6 * shares) * grain
    top, exposure = 2**bits - 1, rng.uniform(0.62, 0.78)  # part of the range that is used
    if photometric == "MONOCHROME1":
        shares = 1.1 - shares
    stored = np.clip(np.rint((0.06 + exposure * shares) * top), 0, top)
    if scanner.inverted:
        stored = top - stored
    window = ((0.06 + exposure * 0.5) * top, exposure * 1.05 * top) if scanner.has_window else None
    return Exposure(stored.astype(np.uint8 if bits == 8 else np.uint16), bits, photometric, window)


def _marked(image: np.ndarray, marker: str, rng: np.random.Generator) -> np.ndarray:
    height, width = image.shape
    at = (int(width * (0.87 if marker == "L" else 0.05)), int(height * rng.uniform(0.08, 0.16)))
    lead = np.zeros(image.shape, np.uint8)
    cv2.putText(lead, marker, at, cv2.FONT_HERSHEY_SIMPLEX, 0.8, 255, 2, cv2.LINE_AA)
    return np.asarray(np.maximum(image, lead * np.float32(_LEAD / 255)))
