"""What another scanner changes in an image is found in its facts."""

import numpy as np
import pytest

from medpipe.monitoring import pixels
from medpipe.synthetic import sample
from medpipe.workloads.chest_xray import _seen


def facts_of(picture):
    return pixels.of_inputs({"image": np.asarray(picture, np.uint8)[None]})


def test_mean_contrast_saturation_and_edge_are_those_of_the_pixels():
    picture = np.full((10, 10), 100)
    picture[1:9, 1:9] = 255  # 64 of 100 pixels; the outer tenth is the other 36
    found = facts_of(picture)
    assert found["image, mean"] == pytest.approx(0.64 * 255 + 0.36 * 100)
    assert found["image, contrast"] == pytest.approx(155 * (0.64 * 0.36) ** 0.5)
    assert found["image, saturated"] == 0.64
    assert found["image, edge"] == pytest.approx(100 - 255)


def test_noise_is_its_standard_deviation_and_a_slope_is_none():
    rng = np.random.default_rng(0)
    slope = np.add.outer(np.arange(100), np.arange(100)) / 2 + 60
    assert facts_of(slope.round())["image, noise"] < 1  # what rounding leaves
    noisy = facts_of((slope + rng.normal(0, 8, slope.shape)).round())
    assert noisy["image, noise"] == pytest.approx(8, rel=0.05)


def test_the_black_that_makes_a_square_of_an_image_is_no_part_of_it():
    film = np.random.default_rng(0).integers(50, 200, (40, 30))
    square = np.zeros((40, 40))
    square[:, 5:35] = film
    assert facts_of(square) == facts_of(film)


def test_an_inverted_film_shows_at_its_edge():
    film = _seen(sample.film(seed=3), {"size_px": 64, "contrast": "none"})[0].clip(1)
    plain, inverted = (
        facts_of(picture)["image, edge"] for picture in (film, 256 - film.astype(int))
    )
    assert plain < -10
    assert inverted == pytest.approx(-plain)


def test_nothing_is_made_up_of_what_shows_nothing_or_is_no_image():
    assert set(facts_of(np.zeros((8, 8))).values()) == {None}
    assert pixels.of_inputs({"mask": np.zeros((4, 8), np.uint8), "x": np.zeros((1, 8, 8))}) == {}
    assert facts_of([[9]]) == {
        **{"image, mean": 9, "image, contrast": 0, "image, saturated": 0},
        **{"image, noise": None, "image, edge": None},
    }
