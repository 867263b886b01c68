"""The networks for tables: MLP with embeddings and FT-Transformer."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn

from medpipe.artefact import distance, graph
from medpipe.nn import TableModel, build_table
from medpipe.nn.categories import Categories
from medpipe.nn.hide import Hide
from medpipe.nn.occlusion import Occlusion
from medpipe.objectives import get
from medpipe.serving.session import Session

ARCHITECTURES = ["mlp", "ft_transformer"]
TINY = {"width": 16, "embedding": 4, "dim": 16, "heads": 2, "dropout": 0.0}
SIZES = (3, 5)
VOCABULARIES = (("a", 3), ("b", 5))
PARTS = torch.eye(5, dtype=torch.bool)
"""Of three numbers and two codes, each a field of its own."""


def make(architecture: str, **params: object) -> nn.Module:
    torch.manual_seed(0)
    model = TableModel.model_validate({**TINY, "architecture": architecture, **params})
    return build_table(model, numbers=3, categories=VOCABULARIES, outputs=1)


def rows(count: int) -> tuple[Tensor, Tensor, Tensor]:
    rng = torch.Generator().manual_seed(count)
    known = (torch.rand(count, 3, generator=rng) < 0.7).float()
    codes = [torch.randint(size, (count,), generator=rng, dtype=torch.int32) for size in SIZES]
    return torch.randn(count, 3, generator=rng) * known, known, torch.stack(codes, 1)


def hidden() -> dict[str, tuple[Tensor, ...]]:
    zero, code = torch.tensor(0.0), torch.tensor(0, dtype=torch.int32)
    return {"shown": (~PARTS[:, :3], ~PARTS[:, :3], ~PARTS[:, 3:]), "unknown": (zero, zero, code)}


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_it_overfits_sixteen_rows(architecture: str) -> None:
    network, targets = make(architecture), (torch.arange(16) % 2).float()
    optimiser = torch.optim.Adam(network.parameters(), 1e-2)
    for _ in range(80):
        loss = get("binary").loss(network(*rows(16)), targets, weights=(1, 1), smoothing=0)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert loss < 0.1


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize(("layers", "members"), [(1, 1), (3, 2)])
def test_gradient_reaches_every_weight(architecture: str, layers: int, members: int) -> None:
    network = make(architecture, layers=layers, members=members)
    network(*rows(64)).square().sum().backward()
    cold = [n for n, w in network.named_parameters() if w.grad is None or not w.grad.abs().sum()]
    assert cold == []


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_one_row_scores_as_among_many(architecture: str) -> None:
    network, inputs = make(architecture, dropout=0.3, members=2).eval(), rows(6)
    together = network(*inputs)
    alone = torch.cat([network(*(x[i : i + 1] for x in inputs)) for i in range(6)])
    assert together.shape == (6, 1)
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=0)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_what_a_number_that_is_not_known_was_does_not_matter(architecture: str) -> None:
    network = make(architecture).eval()
    numbers, known, codes = rows(8)
    elsewhere = numbers + 7 * (1 - known)
    torch.testing.assert_close(network(elsewhere, known, codes), network(numbers, known, codes))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_artefact_is_the_network(architecture: str, tmp_path) -> None:
    made = make(architecture, dropout=0.3, members=2)
    network = Occlusion(made, **hidden(), shape=(5,)).eval()
    names = ("numbers", "known", "codes")
    given = {n: x.numpy() for n, x in zip(names, rows(7), strict=True)}
    graph.export(network, given, tmp_path / "m.onnx")
    cloud = distance.add(
        tmp_path / "m.onnx", dict(zip(names, map(np.asarray, rows(40)), strict=True))
    )
    logit, far, _, effects = Session(tmp_path / "m.onnx", threads=1).explain(given)
    expected, wanted, features = (x.detach() for x in network.explain(*rows(7)))
    np.testing.assert_allclose(logit, expected[:, 0], atol=1e-5)
    np.testing.assert_allclose(effects, wanted, atol=1e-5)
    np.testing.assert_allclose(far, cloud.distances(features.double().numpy()), rtol=1e-3)


def test_beside_the_layers_stands_a_sum_over_fields() -> None:
    network = make("mlp").eval()
    with torch.no_grad():
        for weight in network.head.parameters():
            weight.zero_()  # the layers are silent
        network.slopes.weight.copy_(torch.tensor([[1.0, 10, 100, 0.1, 0.2, 0.3]]))
        network.effects.table.weight[:, 0] = torch.arange(8) * 1000.0  # 0 1 2, then 0 1 2 3 4
    numbers, known = torch.tensor([[2.0, 3.0, 9.0]]), torch.tensor([[1.0, 1.0, 0.0]])
    logits = network(numbers, known, torch.tensor([[2, 4]]))
    assert logits.item() == pytest.approx(2 + 30 + 0.1 + 0.2 + 2000 + 7000)


def test_a_category_s_vector_is_that_of_its_own_column() -> None:
    table = Categories(VOCABULARIES, 2)
    vectors = table(torch.tensor([[2, 0], [0, 4]]))
    expected = table.table.weight[torch.tensor([[2, 3], [0, 7]])]  # the second starts after 0 1 2
    torch.testing.assert_close(vectors, expected)


def test_columns_of_one_vocabulary_share_its_vectors() -> None:
    table = Categories([("code", 4), ("a", 3), ("code", 4)], 2)
    assert table.table.weight.shape == (7, 2)
    first, _, third = table(torch.tensor([[2, 1, 2]]))[0]
    torch.testing.assert_close(first, third)


@pytest.mark.parametrize("share", [0.0, 0.25])
def test_a_field_is_hidden_in_all_inputs_and_as_often_as_asked(share: float) -> None:
    torch.manual_seed(0)
    numbers, known, codes = (torch.ones(4000, n) for n in (3, 3, 2))
    changed = Hide(**hidden(), share=share)(numbers, known, codes.int())
    assert [x.dtype for x in changed] == [torch.float32, torch.float32, torch.int32]
    torch.testing.assert_close(changed[0], changed[1])
    for x in changed:
        assert (x == 0).float().mean().item() == pytest.approx(share, abs=0.015)


def test_heads_must_divide_a_token() -> None:
    with pytest.raises(ValidationError, match="dim 10 is not divisible by heads 4"):
        TableModel(dim=10)
