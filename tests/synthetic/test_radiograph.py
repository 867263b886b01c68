"""Phantoms look as the anatomy says, and differ where the disease is."""

from __future__ import annotations

import numpy as np
import pytest

from medpipe.synthetic.anatomy import Anatomy, Opacity, opacities
from medpipe.synthetic.radiograph import HEIGHT_PX, WIDTH_PX, phantom
from medpipe.synthetic.scanner import SCANNERS, Scanner, expose


def person(seed: int = 0, *, sex: str = "M") -> Anatomy:
    return Anatomy.draw(np.random.default_rng(seed), sex=sex, age_years=60)


def film(anatomy: Anatomy, *patches: Opacity, view: str = "PA") -> np.ndarray:
    return phantom(anatomy, patches, view=view, rng=np.random.default_rng(9))


def test_lungs_are_darker_than_heart_and_belly() -> None:
    shown = film(person())
    lung = shown[150:190, 55:75].mean()
    heart = shown[185:205, 135:150].mean()
    belly = shown[280:310, 80:110].mean()
    assert lung < 0.6 * belly
    assert belly < heart


def test_opacity_brightens_its_own_lung_and_nothing_else() -> None:
    patch = Opacity(
        is_left=True, across=0.5, down=0.5, radius=0.09, elongation=1.0, turn=0.0, density=0.6
    )
    healthy, ill = film(person()), film(person(), patch)
    # The healthy film draws no texture of fluid, so later noise differs: compare by place.
    left = (ill - healthy)[130:210, 190:240].mean()
    right = (ill - healthy)[130:210, 50:100].mean()
    assert left > 0.05
    assert abs(right) < 0.4 * left


@pytest.mark.parametrize("seed", range(5))
def test_fluid_never_leaves_the_image_or_turns_dark(seed: int) -> None:
    rng = np.random.default_rng(seed)
    patches = opacities(rng)
    assert 1 <= len(patches) <= 4
    shown = phantom(person(seed), patches, view="AP", rng=rng)
    assert shown.shape == (HEIGHT_PX, WIDTH_PX)
    assert np.isfinite(shown).all()


def test_same_person_filmed_again_looks_more_alike_than_another_person() -> None:
    def taken(seed: int, at: int) -> np.ndarray:
        shown = phantom(person(seed), (), view="PA", rng=np.random.default_rng(at))
        return (shown - shown.mean()) / shown.std()

    again = np.mean([np.abs(taken(n, 1) - taken(n, 2)).mean() for n in range(6)])
    other = np.mean([np.abs(taken(n, 1) - taken(n + 10, 2)).mean() for n in range(6)])
    assert again < other


@pytest.mark.parametrize("scanner", SCANNERS, ids=lambda scanner: scanner.model)
def test_stored_values_fit_their_bits(scanner: Scanner) -> None:
    for seed in range(6):
        exposure = expose(scanner, film(person()), marker="L", rng=np.random.default_rng(seed))
        assert exposure.bits in scanner.bits
        assert exposure.pixels.max() < 2**exposure.bits
        assert exposure.pixels.dtype == (np.uint8 if exposure.bits == 8 else np.uint16)
        assert (exposure.window is not None) == scanner.has_window


def test_monochrome1_stores_dense_places_as_small_values() -> None:
    shown = film(person())
    for seed in range(8):
        exposure = expose(SCANNERS[0], shown, marker="R", rng=np.random.default_rng(seed))
        agreement = np.corrcoef(shown.ravel(), exposure.pixels.ravel())[0, 1]
        assert (agreement < 0) == (exposure.photometric == "MONOCHROME1")
