"""Several networks as one: what is averaged, and who learns from what."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from medpipe.nn.averaged import Averaged, averaged


class Scaled(nn.Module):
    """Logit (B, 1) = slope · x + y: small enough to be worked by hand."""

    def __init__(self, slope: float) -> None:
        super().__init__()
        self.slope = nn.Parameter(torch.tensor(slope))

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return self.slope * x + y


X, Y = torch.tensor([[1.0], [2.0], [3.0], [4.0]]), torch.tensor([[0.0], [0.0], [1.0], [1.0]])


def test_the_answer_is_the_mean_of_the_members() -> None:
    logits = Averaged([Scaled(1.0), Scaled(3.0)]).eval()(X, Y)
    assert logits.tolist() == [[2], [4], [7], [9]]  # 2 x + y


def test_in_training_each_member_answers_for_its_own_rows() -> None:
    logits = Averaged([Scaled(1.0), Scaled(3.0)]).train()(X, Y)
    assert logits.tolist() == [[1], [2], [10], [13]]


def test_no_member_learns_from_the_rows_of_another() -> None:
    network = Averaged([Scaled(1.0), Scaled(3.0)]).train()
    network(X, Y)[:2].sum().backward()
    assert [member.slope.grad for member in network.members] == [3, 0]  # the sum of x; nothing


@pytest.mark.parametrize("rows", [1, 2])
def test_a_batch_of_fewer_rows_than_members_teaches_their_mean(rows: int) -> None:
    network = Averaged([Scaled(0.0), Scaled(3.0), Scaled(6.0)]).train()
    logits = network(X[:rows], Y[:rows])
    assert logits[:, 0].tolist() == [3, 6][:rows]
    logits[0].sum().backward()
    assert all(member.slope.grad == pytest.approx(1 / 3) for member in network.members)


def test_one_member_is_the_network_itself() -> None:
    assert isinstance(averaged(lambda: Scaled(1.0), members=1), Scaled)


def test_members_start_each_from_weights_of_its_own() -> None:
    first, second = averaged(lambda: nn.Linear(3, 1), members=2).members
    assert not torch.equal(first.weight, second.weight)
