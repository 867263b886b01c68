"""Images that are no radiograph of a chest, made from one or from nothing.

The evaluation asks whether the model would notice; see `Workload.foreign`. They are what reaches a
service by accident: another region of the body, a film the wrong way round or in negative, a
photograph, a broken file. All take images (B, 1, S, S), uint8, and a generator, and give as many.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import cv2
import numpy as np

Images = np.ndarray
_FINGERS = 4


def noise(images: Images, rng: np.random.Generator) -> Images:
    """Every pixel by itself."""
    return rng.integers(0, 256, images.shape).astype(np.uint8)


def negative(images: Images, rng: np.random.Generator) -> Images:
    """The film in negative, its black edges left as they are."""
    return np.stack([np.where(_film(image), 255 - image, 0) for image in images]).astype(np.uint8)


def turned(images: Images, rng: np.random.Generator) -> Images:
    """Lying on its side."""
    return np.ascontiguousarray(np.rot90(images, axes=(2, 3)))


def upside_down(images: Images, rng: np.random.Generator) -> Images:
    """With the head below."""
    return np.ascontiguousarray(images[:, :, ::-1])


def photograph(images: Images, rng: np.random.Generator) -> Images:
    """Clouds with the spectrum that photographs of the world have.

    References
    ----------
    Field 1987, J Optical Society of America A 4:2379–2394 (amplitude falls as 1 over frequency).
    """
    count, side = len(images), images.shape[-1]
    vertical, horizontal = np.fft.fftfreq(side), np.fft.rfftfreq(side)
    frequency = np.hypot(vertical[:, None], horizontal)
    frequency[0, 0] = np.inf  # the mean is set below
    waves = rng.normal(size=(2, count, side, side // 2 + 1))
    clouds = np.fft.irfft2((waves[0] + 1j * waves[1]) / frequency, s=(side, side))
    clouds /= clouds.std(axis=(1, 2), keepdims=True)
    return np.clip(128 + 50 * clouds, 0, 255).astype(np.uint8)[:, None]


def hand(images: Images, rng: np.random.Generator) -> Images:
    """Long bones side by side in soft tissue, as of a hand or a forearm."""
    return np.stack([_hand(images.shape[-1], rng)[None] for _ in images])


CHANGES: Mapping[str, Callable[[Images, np.random.Generator], Images]] = {
    "noise": noise,
    "in negative": negative,
    "turned by a quarter": turned,
    "upside down": upside_down,
    "texture of a photograph": photograph,
    "drawing of a hand": hand,
}


def _film(image: Images) -> np.ndarray:
    """Where the film lies in a square (1, S, S) that was filled up with black."""
    seen = image[0] > 0
    film = np.outer(_between(seen.any(axis=1)), _between(seen.any(axis=0)))
    return np.asarray(film[None])


def _between(seen: np.ndarray) -> np.ndarray:
    """True from the first True of (S,) to the last."""
    return np.logical_or.accumulate(seen) & np.logical_or.accumulate(seen[::-1])[::-1]


def _hand(side: int, rng: np.random.Generator) -> np.ndarray:
    drawn = np.full((side, side), 20, np.uint8)
    top, bottom = int(0.1 * side), int(0.95 * side)
    for finger in range(_FINGERS):
        middle = side * (0.2 + 0.2 * finger + rng.normal(0, 0.02))
        lean = rng.normal(0, 0.06 * side)
        ends = (int(middle - lean), top), (int(middle + lean), bottom)
        for grey, width in ((rng.integers(110, 170), 0.12), (rng.integers(190, 250), 0.05)):
            cv2.line(drawn, *ends, int(grey), max(1, int(width * side)))
    return np.asarray(cv2.GaussianBlur(drawn, (0, 0), max(0.5, side / 64)))
