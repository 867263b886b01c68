"""Random changes that leave the label true."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from medpipe.nn.augment import RadiographAugment
from medpipe.nn.params import AugmentParams

OFF = dict.fromkeys(
    ["rotate_deg", "shift_share", "scale_share", "brightness", "contrast", "noise", "erase_share"],
    0.0,
)


def augment(**keys: object) -> RadiographAugment:
    return RadiographAugment(AugmentParams.model_validate({**OFF, **keys}))


def images(count: int = 4, size: int = 16) -> Tensor:
    torch.manual_seed(1)
    return torch.randint(60, 200, (count, 1, size, size), dtype=torch.uint8)


def test_with_everything_off_the_batch_is_untouched() -> None:
    x = images()
    assert augment()(x) is x


@pytest.mark.parametrize(
    "change",
    [
        {"rotate_deg": 10.0}, {"shift_share": 0.2}, {"scale_share": 0.2}, {"brightness": 0.2},
        {"contrast": 0.3}, {"noise": 0.1}, {"erase_share": 0.3}, {"flip": True},
    ],
    ids=lambda change: next(iter(change)),
)  # fmt: skip
def test_each_change_is_drawn_anew_for_each_image_and_stays_in_range(
    change: dict[str, object],
) -> None:
    one = images(1)
    changed = augment(**change)(one.expand(16, 1, 16, 16))
    assert changed.shape == (16, 1, 16, 16)
    assert changed.dtype == torch.float32
    assert 0 <= changed.min() <= changed.max() <= 255
    assert len({tuple(image.flatten().tolist()) for image in changed}) > 1


def test_the_same_generator_state_gives_the_same_images() -> None:
    x, change = images(), RadiographAugment(AugmentParams(erase_share=0.2))
    torch.manual_seed(3)
    first = change(x)
    torch.manual_seed(3)
    assert torch.equal(first, change(x))
    assert not torch.equal(first, change(x))


def test_a_flip_mirrors_left_and_right_and_nothing_else() -> None:
    x = images(32).float()
    changed = augment(flip=True)(x)
    for before, after in zip(x, changed, strict=True):
        same = torch.allclose(after, before, atol=1e-2)
        assert same or torch.allclose(after, before.flip(-1), atol=1e-2)


def test_a_shift_moves_a_dot_by_no_more_than_its_share() -> None:
    x = torch.zeros(64, 1, 33, 33)
    x[:, :, 16, 16] = 255
    changed = augment(shift_share=0.1)(x).flatten(1)
    row, column = changed.argmax(1) // 33, changed.argmax(1) % 33
    moved = torch.stack([row - 16, column - 16]).abs()
    assert 2 <= moved.max() <= 4  # a tenth of 33 pixels is 3.3


def test_a_rotation_keeps_the_middle_and_turns_the_rest() -> None:
    x = torch.zeros(64, 1, 33, 33)
    x[:, :, 16, 16], x[:, :, 16, 30] = 255, 200
    changed = augment(rotate_deg=20.0)(x)
    assert (changed[:, 0, 16, 16] > 250).all()
    left = changed[:, 0].clone()
    left[:, 15:18, 15:18] = 0
    rows = left.flatten(1).argmax(1) // 33 - 16
    assert 3 <= rows.abs().max() <= 5  # 14 pixels · sin 20° is 4.8


def test_brightness_moves_the_mean_by_no_more_than_its_share() -> None:
    x = torch.full((64, 1, 8, 8), 128.0)
    moved = augment(brightness=0.1)(x) - 128
    assert moved.abs().max() <= 25.5
    assert moved.std() > 5
    assert torch.equal(moved, moved[:, :, :1, :1].expand_as(moved))


def test_an_erased_square_has_the_side_that_was_asked_for() -> None:
    changed = augment(erase_share=0.25)(images(32))
    assert ((changed == 0).flatten(1).sum(1) == 16).all()  # a quarter of 16, squared
