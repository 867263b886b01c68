"""Phantoms of frontal chest radiographs, with or without the opacities of pneumonia.

A phantom is a map of attenuation: soft tissue, spine, heart, vessels, ribs and clavicles, each
drawn as smooth curves, less the air of the lungs. An opacity is what pneumonia is: air replaced by
fluid, so it is bounded by the lung, blurs the vessels, and is never sharper than the lung's border.
Bright is dense, as on a light box. Nothing is taken from an image of a real person.

What is smooth anyway is computed on a quarter of the grid, curves of one thickness are drawn in one
call, and what one person's films have in common is drawn once: 10 ms a film instead of 60.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

import cv2
import numpy as np

from medpipe.synthetic.anatomy import Anatomy, Opacity

View = Literal["PA", "AP"]
Mask = np.ndarray

HEIGHT_PX, WIDTH_PX = 320, 288
_COARSE = 4  # pixels per cell of the grid for what is smooth
_SUBPIXEL_BITS = 4  # OpenCV takes coordinates in sixteenths of a pixel
_RIBS = 10
_AIR = 0.50
_MIDDLE = 0.5


def phantom(
    anatomy: Anatomy, patches: tuple[Opacity, ...], *, view: View, rng: np.random.Generator
) -> np.ndarray:
    """Attenuation of one film of this person: breath and position are this film's own.

    Returns
    -------
    float32 (HEIGHT_PX, WIDTH_PX); air is near 0, the spine behind the heart near 1.4
    """
    breath = rng.normal(1.0, 0.035) * (0.92 if view == "AP" else 1.0)  # supine: shallow
    lungs = _lungs(anatomy, breath)
    air = _blurred(np.maximum(*lungs), 2.0)
    fluid = _fluid(anatomy, patches, lungs, rng=rng, breath=breath)
    film = _body(anatomy) + _skeleton(anatomy, view)
    film -= _AIR * air * (1 - fluid)
    film += _mediastinum(anatomy, view, breath)
    film += _vessels(anatomy) * air * (1 - 0.6 * fluid)
    film += _fine(_shadows(anatomy, rng=rng, breath=breath))
    return _positioned(film, rng)


# -- drawing -------------------------------------------------------------------------------------
def _canvas() -> np.ndarray:
    return np.zeros((HEIGHT_PX, WIDTH_PX), np.float32)


def _pixels(xs: np.ndarray, ys: np.ndarray) -> np.ndarray:
    """Coordinates (…, N) in widths as OpenCV's fixed-point pixels, int32 (…, N, 2)."""
    points = np.stack([xs, ys], axis=-1) * (WIDTH_PX << _SUBPIXEL_BITS)
    return np.asarray(np.rint(points), np.int32)


def _curves(canvas: np.ndarray, xs: np.ndarray, ys: np.ndarray, *, value: float, px: int) -> None:
    """Draw curves (K, N), or one (N,), of one brightness and thickness."""
    curves = list(np.atleast_3d(_pixels(xs, ys)).reshape(-1, np.shape(xs)[-1], 2))
    cv2.polylines(canvas, curves, False, value, px, cv2.LINE_8, _SUBPIXEL_BITS)


def _filled(xs: np.ndarray, ys: np.ndarray) -> Mask:
    canvas = _canvas()
    cv2.fillPoly(canvas, [_pixels(xs, ys)], 1.0, cv2.LINE_8, _SUBPIXEL_BITS)
    return canvas


def _blurred(image: np.ndarray, sigma_px: float) -> np.ndarray:
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma_px))


def _smooth(knots: list[tuple[float, float]]) -> tuple[np.ndarray, np.ndarray]:
    """A closed curve through about `knots`: the first harmonics of their polygon."""
    corners = np.array([*knots, knots[0]])
    along = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(corners, axis=0).T))])
    at = np.linspace(0, along[-1], 192, endpoint=False)
    polygon = np.interp(at, along, corners[:, 0]) + 1j * np.interp(at, along, corners[:, 1])
    spectrum = np.fft.fft(polygon)
    spectrum[10:-9] = 0
    curve = np.fft.ifft(spectrum)
    return curve.real, curve.imag


def _hill(x: float, y: float, *, radius: float, squeeze: float = 1.0, turn: float = 0.0) -> Mask:
    """A Gaussian hill of height 1 on the coarse grid; `turn` in radians."""
    downs, rights = np.ogrid[: HEIGHT_PX // _COARSE, : WIDTH_PX // _COARSE]
    right = (rights + 0.5) * _COARSE / WIDTH_PX - x
    down = (downs + 0.5) * _COARSE / WIDTH_PX - y
    along = right * np.cos(turn) + down * np.sin(turn)
    across = down * np.cos(turn) - right * np.sin(turn)
    return np.asarray(np.exp(-0.9 * ((along / radius) ** 2 + (across / (radius * squeeze)) ** 2)))


def _fine(coarse: np.ndarray) -> np.ndarray:
    """A map on the coarse grid, spread over the film."""
    size = (WIDTH_PX, HEIGHT_PX)
    return np.asarray(cv2.resize(coarse.astype(np.float32), size, interpolation=cv2.INTER_LINEAR))


def _cloudy(rng: np.random.Generator, *, rows: int, columns: int) -> np.ndarray:
    """Smooth noise on the coarse grid, about standard normal, with so many cells of its own."""
    cells = rng.standard_normal((rows, columns), dtype=np.float32)
    size = (WIDTH_PX // _COARSE, HEIGHT_PX // _COARSE)
    return np.asarray(cv2.resize(cells, size, interpolation=cv2.INTER_CUBIC))


# -- parts ---------------------------------------------------------------------------------------
@lru_cache(maxsize=2)
def _body(anatomy: Anatomy) -> np.ndarray:
    """Neck, shoulders and trunk: thick in the middle, thin at the skin."""
    side = anatomy.thorax_half_width + 0.055
    right = [
        *((0.42, -0.1), (0.40, 0.06), (0.30, 0.11), (0.10, 0.16), (-0.1, 0.28), (-0.1, 0.5)),
        *((_MIDDLE - side, 0.55), (_MIDDLE - side + 0.01, 0.8), (_MIDDLE - side, 1.3)),
    ]
    outline = _filled(*_smooth(right + [(1 - x, y) for x, y in reversed(right)]))
    coarse = cv2.resize(outline, None, fx=1 / _COARSE, fy=1 / _COARSE, interpolation=cv2.INTER_AREA)
    thick = _fine(_blurred(coarse, 4.0))
    return anatomy.soft_tissue * (0.35 * outline + 0.65 * thick**1.5)


def _base(anatomy: Anatomy, breath: float) -> float:
    """Height of the diaphragm's outer ends."""
    return anatomy.lung_top + anatomy.lung_height * breath


def _lungs(anatomy: Anatomy, breath: float) -> tuple[Mask, Mask]:
    """The lungs on the film's left and right (the person's right and left), 0 or 1."""
    top, half, base = anatomy.lung_top, anatomy.thorax_half_width, _base(anatomy, breath)
    span, heart = base - top, anatomy.heart_radius

    def outer(side: int) -> list[tuple[float, float]]:
        return [
            *((_MIDDLE + side * 0.10, top), (_MIDDLE + side * 0.17, top + 0.02)),
            *((_MIDDLE + side * half * 0.72, top + 0.18 * span),),
            *((_MIDDLE + side * half * 0.93, top + 0.5 * span), (_MIDDLE + side * half, base)),
            (_MIDDLE + side * half * 0.97, base + 0.06),
        ]

    inner_right = [
        *((_MIDDLE - half * 0.62, base - 0.055), (_MIDDLE - half * 0.3, base - 0.06)),
        *((0.44, base - 0.01), (0.435, top + 0.5 * span), (0.45, top + 0.2 * span)),
    ]
    inner_left = [
        *((_MIDDLE + half * 0.68, base - 0.02), (_MIDDLE + heart * 1.35, base - 0.05)),
        *((_MIDDLE + heart * 1.1, top + 0.68 * span), (_MIDDLE + heart * 0.6, top + 0.48 * span)),
        (0.555, top + 0.2 * span),
    ]
    return _filled(*_smooth(outer(-1) + inner_right)), _filled(*_smooth(outer(1) + inner_left))


def _fluid(
    anatomy: Anatomy,
    patches: tuple[Opacity, ...],
    lungs: tuple[Mask, Mask],
    *,
    rng: np.random.Generator,
    breath: float,
) -> np.ndarray:
    """Share of the lung's air that is replaced, 0…0.9: patchy, and bounded by the lung."""
    texture = np.clip(1 + 0.55 * _cloudy(rng, rows=26, columns=24), 0.1, 2)
    fluid = _canvas()
    span = anatomy.lung_height * breath
    for is_left in {patch.is_left for patch in patches}:
        side = 1 if is_left else -1
        hills = sum(
            patch.density
            * _hill(
                _MIDDLE + side * (0.10 + (anatomy.thorax_half_width - 0.12) * patch.across),
                anatomy.lung_top + (0.15 + 0.75 * patch.down) * span,
                radius=patch.radius,
                squeeze=patch.elongation,
                turn=patch.turn,
            )
            for patch in patches
            if patch.is_left == is_left
        )
        fluid += _fine(np.asarray(hills) * texture) * lungs[is_left]
    return np.asarray(np.clip(_blurred(fluid, 2.0), 0, 0.9)) if patches else fluid


def _mediastinum(anatomy: Anatomy, view: View, breath: float) -> np.ndarray:
    """Heart, abdomen, great vessels and windpipe.

    On AP films the heart is farther from the detector and looks larger.
    """
    size = anatomy.heart_radius * (1.13 if view == "AP" else 1.0)
    base, half = _base(anatomy, breath), anatomy.thorax_half_width
    turn = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    xs, ys = 1.18 * size * np.cos(turn), 0.92 * size * np.sin(turn)
    cos, sin = np.cos(anatomy.heart_turn), np.sin(anatomy.heart_turn)
    heart = _filled(0.525 + xs * cos - ys * sin, base - 0.13 + xs * sin + ys * cos)
    across = np.linspace(-half, half, 40)
    arc = np.clip(1 - (across / half) ** 2, 0, 1)
    domes = base + 0.05 - 0.125 * arc**0.25
    belly = _filled(np.append(_MIDDLE + across, [0.9, 0.1]), np.append(domes, [1.3, 1.3]))
    # Heart and abdomen lie behind one another, not on top: the denser one is seen.
    dense = np.maximum(0.25 * heart, 0.20 * belly)
    great = _filled(
        np.array([0.455, 0.46, 0.44, 0.56, 0.575, 0.565, 0.585, 0.55]),
        np.array([0.05, 0.25, base - 0.1, base - 0.1, 0.42, 0.36, 0.30, 0.05]),
    )
    pipe = _canvas()
    _curves(
        pipe, np.array([0.5, 0.495]), np.array([-0.02, anatomy.lung_top + 0.16]), value=1, px=11
    )
    return _blurred(dense + 0.13 * great - 0.12 * pipe, 2.4)


@lru_cache(maxsize=2)
def _skeleton(anatomy: Anatomy, view: View) -> np.ndarray:
    return _blurred(_spine(anatomy) + _bones(anatomy, view), 1.2)


def _spine(anatomy: Anatomy) -> np.ndarray:
    canvas = _canvas()
    downs = np.linspace(-0.02, 1.15, 30)
    _curves(canvas, _MIDDLE + anatomy.spine_lean * np.sin(3 * downs), downs, value=0.10, px=27)
    discs = 0.02 + 0.072 * np.arange(16)
    middles = _MIDDLE + anatomy.spine_lean * np.sin(3 * discs)
    ends = middles[:, None] + [[-0.042, 0.042]]
    _curves(canvas, ends, np.repeat(discs[:, None], 2, axis=1), value=0.055, px=3)
    return canvas


@lru_cache(maxsize=2)
def _vessels(anatomy: Anatomy) -> np.ndarray:
    """Trees that leave the hila, fork and thin out: a person's own."""
    rng = np.random.default_rng(anatomy.vessel_seed)
    canvas = _canvas()
    roots = 10
    sides = np.repeat([-1.0, 1.0], roots)
    angles = np.tile(np.linspace(-1.35, 1.4, roots), 2) + rng.normal(0, 0.12, 2 * roots)
    hilum = anatomy.lung_top + 0.42 * anatomy.lung_height
    xs, ys = _MIDDLE + sides * 0.085, np.full(2 * roots, hilum)
    length, steps = 0.19, np.linspace(0, 1, 6)
    for px in (3, 2, 1):
        bent = angles[:, None] + 0.35 * rng.normal(size=(len(angles), 1)) * steps
        reach = length * rng.uniform(0.7, 1.3, (len(angles), 1)) * steps
        right = xs[:, None] + sides[:, None] * reach * np.cos(bent)
        down = ys[:, None] + reach * np.sin(bent)
        _curves(canvas, right, down, value=0.2 + 0.12 * px, px=px)
        xs, ys, sides = (np.repeat(ends, 2) for ends in (right[:, -1], down[:, -1], sides))
        angles = np.repeat(angles, 2) + np.tile([-0.38, 0.38], len(angles)) * rng.uniform(
            0.5, 1.3, 2 * len(angles)
        )
        length *= 0.72
    roots_of_lungs = sum(
        _hill(_MIDDLE + side * 0.10, hilum, radius=0.055, squeeze=0.6, turn=np.pi / 2)
        for side in (-1, 1)
    )
    return anatomy.vessels * (_blurred(canvas, 0.9) + 0.5 * _fine(np.asarray(roots_of_lungs)))


def _bones(anatomy: Anatomy, view: View) -> np.ndarray:
    """Ribs, clavicles, and shoulder blades, which lie over the lungs on AP films."""
    canvas = _ribs(anatomy)
    half = anatomy.thorax_half_width
    along = np.linspace(0, 1, 14)
    sides = np.array([[-1.0], [1.0]])
    clavicle = _MIDDLE + sides * (0.055 + (half * 1.02 - 0.055) * along)
    height = anatomy.lung_top + 0.055 - 0.05 * along + 0.012 * np.sin(2 * np.pi * along)
    _curves(canvas, clavicle, np.tile(height, (2, 1)), value=1.35, px=9)
    _curves(canvas, clavicle, np.tile(height, (2, 1)), value=0.9, px=5)
    blade = half * (0.86 if view == "AP" else 1.08)
    borders = _MIDDLE + sides * blade * np.array([1.0, 0.97, 1.02, 1.12])
    _curves(canvas, borders, np.tile([0.24, 0.33, 0.42, 0.5], (2, 1)), value=0.6, px=4)
    return np.asarray(anatomy.bone * canvas)


def _ribs(anatomy: Anatomy) -> np.ndarray:
    """Posterior arches from the spine down and out, and fainter anterior ones back in."""
    ribs = np.arange(_RIBS)[:, None]
    reach = anatomy.thorax_half_width * (0.62 + 0.38 * np.sqrt((ribs + 1) / _RIBS)) - 0.045
    along = np.linspace(0, 1, 18)
    out = 0.045 + reach * np.sin(along * np.pi / 2)
    start = anatomy.lung_top - 0.01 + ribs * anatomy.lung_height / (_RIBS - 0.6)
    fall = (anatomy.rib_slope + 0.014 * ribs) * along**2.2
    down = start - 0.035 * np.sin(along * np.pi) + fall
    back = np.linspace(0, 1, 12)
    front_out = 0.045 + reach * np.sin((1 - 0.75 * back) * np.pi / 2)
    front_down = down[:, -1:] + 0.16 * back**1.4
    posterior, anterior = _canvas(), _canvas()
    for side in (-1, 1):
        _curves(posterior, _MIDDLE + side * out, down, value=1.0, px=9)
        _curves(posterior, _MIDDLE + side * out, down, value=0.62, px=5)
        _curves(anterior, _MIDDLE + side * front_out[:7], front_down[:7], value=0.45, px=8)
    return np.asarray(posterior + anterior)


def _shadows(anatomy: Anatomy, *, rng: np.random.Generator, breath: float) -> np.ndarray:
    """What is not disease and may look like it, on the coarse grid.

    The aortic arch, breasts, gas under the diaphragm, thick and thin places.
    """
    base = _base(anatomy, breath)
    gas = _hill(
        0.66 + rng.normal(0, 0.03), base + 0.07, radius=rng.uniform(0.03, 0.07), squeeze=0.5
    )
    shadows = 0.022 * _cloudy(rng, rows=7, columns=6) - rng.uniform(0, 0.2) * gas
    shadows += 0.09 * _hill(0.56, anatomy.lung_top + 0.13, radius=0.033)
    for side in (-1, 1) if anatomy.breasts else ():
        breast = _hill(_MIDDLE + side * 0.23, base - 0.08, radius=0.17, squeeze=0.85)
        shadows += anatomy.breasts * breast
    return np.asarray(shadows)


def _positioned(film: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The person a little turned, shifted, nearer or farther."""
    centre = (WIDTH_PX / 2, HEIGHT_PX / 2)
    move = cv2.getRotationMatrix2D(centre, rng.normal(0, 2.2), rng.normal(0.98, 0.035))
    move[:, 2] += rng.normal(0, 5, 2)
    size = (WIDTH_PX, HEIGHT_PX)
    return np.asarray(cv2.warpAffine(film, move, size, borderMode=cv2.BORDER_REPLICATE))
