"""What differs between people, and between lungs with and without pneumonia, as numbers to draw.

Lengths are in widths of the image. The spreads are chosen, not measured: wide enough that a model
must look at the lungs, narrow enough that every film looks like a chest.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Anatomy:
    """What is one person's own and the same on every image of them. Lengths in image widths."""

    thorax_half_width: float
    lung_top: float
    lung_height: float
    heart_radius: float
    heart_turn: float
    rib_slope: float
    bone: float
    spine_lean: float
    soft_tissue: float
    breasts: float
    vessels: float
    vessel_seed: int

    @classmethod
    def draw(cls, rng: np.random.Generator, *, sex: str, age_years: float) -> Anatomy:
        """A person of this sex and age; the heart grows with age and ribs lose bone."""
        old = (age_years - 50) / 40
        return cls(
            thorax_half_width=rng.normal(0.385, 0.015),
            lung_top=rng.normal(0.17, 0.02),
            lung_height=rng.normal(0.64, 0.035),
            heart_radius=rng.normal(0.145 + 0.012 * old, 0.012),
            heart_turn=np.deg2rad(rng.normal(38, 7)),
            rib_slope=rng.normal(0.12, 0.02),
            bone=max(0.08, rng.normal(0.19 - 0.03 * old, 0.03)),
            spine_lean=rng.normal(0, 0.012),
            soft_tissue=rng.normal(0.62, 0.06),
            breasts=max(0.0, rng.normal(0.10, 0.04)) if sex == "F" else 0.0,
            vessels=max(0.08, rng.normal(0.15, 0.04)),
            vessel_seed=int(rng.integers(2**31)),
        )


@dataclass(frozen=True)
class Opacity:
    """One patch of consolidated lung: place as shares of a lung's box, size in image widths."""

    is_left: bool
    across: float
    down: float
    radius: float
    elongation: float
    turn: float
    density: float

    @classmethod
    def draw(cls, rng: np.random.Generator, *, is_left: bool) -> Opacity:
        """A patch anywhere in a lung, more often low, from faint and small to lobar."""
        return cls(
            is_left=is_left,
            across=rng.uniform(0.25, 0.75),
            down=rng.beta(2.6, 1.7),
            radius=rng.uniform(0.04, 0.11),
            elongation=rng.uniform(0.55, 1.0),
            turn=rng.uniform(0, np.pi),
            density=rng.uniform(0.16, 0.62),
        )


def opacities(rng: np.random.Generator) -> tuple[Opacity, ...]:
    """One to four patches, in one lung more often than in both."""
    is_left = bool(rng.random() < 0.5)
    is_bilateral = bool(rng.random() < 0.3)
    return tuple(
        Opacity.draw(rng, is_left=is_left ^ (is_bilateral and bool(index % 2)))
        for index in range(int(rng.integers(1, 5)))
    )
