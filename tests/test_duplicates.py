"""Near duplicates: the hash finds candidates, the thumbnails decide."""

import numpy as np
import pytest

from medpipe import duplicates

SIDES = np.array(["train", "val", "test"], dtype=object)


def picture(seed, side=64):
    """A smooth random picture (1, side, side), uint8."""
    coarse = np.random.default_rng(seed).normal(size=(8, 8))
    fine = np.kron(coarse, np.ones((side // 8, side // 8)))
    return (np.clip(fine * 40 + 128, 0, 255)).astype(np.uint8)[None]


def test_candidates_are_those_of_a_plain_loop():
    rng = np.random.default_rng(3)
    hashes = rng.integers(0, 2**6, 300, dtype=np.uint64)  # small numbers: many pairs are near
    side = SIDES[rng.integers(0, 3, 300)]
    expected = {
        frozenset((i, j))
        for i in range(300)
        for j in range(i)
        if side[i] != side[j] and int(hashes[i] ^ hashes[j]).bit_count() <= 1
    }
    found = [
        frozenset((int(i), int(j)))
        for a, b in duplicates.candidates(hashes, side, 1)
        for i, j in zip(a, b, strict=True)
    ]
    assert len(found) == len(set(found))
    assert set(found) == expected


def test_pairs_of_identical_content_are_not_reported_twice():
    example, side = np.array(["a", "b"], dtype=object), np.array(["train", "test"], dtype=object)
    likeness = np.array(["0f" * 8, "0f" * 8], dtype=object)
    content = np.array(["same", "same"], dtype=object)
    found = duplicates.near(example, side, likeness, content=content, bits=2, alike=None)
    assert found["candidates"] == 0


def test_examples_without_a_hash_are_passed_over():
    example, side = np.array(["a", "b"], dtype=object), np.array(["train", "test"], dtype=object)
    likeness = np.array([None, "0f" * 8], dtype=object)
    found = duplicates.near(example, side, likeness, content=None, bits=64, alike=None)
    assert (found["candidates"], found["shares"]) == (0, {"test": 0.0})


def test_a_brighter_noisy_copy_agrees_and_another_picture_does_not():
    first = picture(1)
    copy = np.clip(first * 0.7 + 30 + np.random.default_rng(0).normal(0, 4, first.shape), 0, 255)
    thumbnails = np.stack(
        [duplicates.thumbnail({"image": p}) for p in (first, copy.astype(np.uint8), picture(2))]
    )
    alike = duplicates.comparison(thumbnails)
    assert list(alike(np.array([0, 0]), np.array([1, 2]))) == [True, False]


def test_a_flat_picture_agrees_with_nothing():
    flat = duplicates.thumbnail({"image": np.full((1, 64, 64), 7, np.uint8)})
    assert not duplicates.comparison(np.stack([flat, flat]))(np.array([0]), np.array([1])).any()


@pytest.mark.parametrize("shape", [(1, 64, 64), (3, 100, 33), (20, 20), (2, 5, 70, 45)])
def test_a_thumbnail_is_standardised_and_32_by_32(shape):
    made = duplicates.thumbnail({"x": np.random.default_rng(0).normal(size=shape)})
    assert made.shape == (32 * 32,)
    assert made.astype(np.float64).mean() == pytest.approx(0, abs=1e-3)
    assert made.astype(np.float64).std() == pytest.approx(1, abs=1e-3)


def test_bars_beside_a_picture_do_not_make_it_agree_with_another():
    def barred(seed):
        square = np.zeros((1, 64, 64), np.uint8)
        square[0, :, 16:48] = np.random.default_rng(seed).integers(100, 156, (64, 32))
        return duplicates.thumbnail({"x": square})

    thumbnails = np.stack([barred(1), barred(2)])
    assert np.corrcoef(thumbnails.astype(float))[0, 1] < 0.2
    bare = np.random.default_rng(1).integers(100, 156, (64, 32)).astype(np.uint8)
    assert (thumbnails[0] == duplicates.thumbnail({"x": bare})).all()


def test_a_small_picture_is_repeated_and_not_averaged():
    small = np.arange(256.0).reshape(16, 16)
    large = np.kron(small, np.ones((2, 2)))
    assert (duplicates.thumbnail({"x": small}) == duplicates.thumbnail({"x": large})).all()


def test_a_thumbnail_takes_means_of_blocks():
    image = np.arange(64 * 64, dtype=np.float32).reshape(64, 64)
    blocks = image.reshape(32, 2, 32, 2).mean((1, 3)).ravel()
    expected = (blocks - blocks.mean()) / blocks.std()
    assert duplicates.thumbnail({"x": image}) == pytest.approx(expected, abs=2e-3)


def test_inputs_without_a_picture_agree_with_nothing():
    made = duplicates.thumbnail({"age": np.array([3.0])})
    assert not duplicates.comparison(np.stack([made, made]))(np.array([0]), np.array([1])).any()


@pytest.mark.slow
def test_100_000_rows_are_compared_in_bounded_blocks():
    rng = np.random.default_rng(0)
    hashes = rng.integers(0, 2**63, 100_000, dtype=np.uint64)
    side = SIDES[rng.choice(3, 100_000, p=[0.65, 0.15, 0.20])]
    largest = max((len(a) for a, _ in duplicates.candidates(hashes, side, 20)), default=0)
    assert 0 < largest <= 64 * 4096
