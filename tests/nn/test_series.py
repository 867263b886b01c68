"""Networks for series: what every one of them must fulfil, and what the mask alone decides."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from medpipe.artefact import distance, graph, int8
from medpipe.nn import SeriesModel, build_series
from medpipe.nn.measured import STEPS, SUMMARIES, carried, stepped, summarised
from medpipe.objectives import get
from medpipe.serving.session import Session

ARCHITECTURES = ["gru", "lstm", "gru_d", "transformer", "tcn"]
every = pytest.mark.parametrize("architecture", ARCHITECTURES)
HOURS, VARIABLES, DESCRIPTORS = 12, 5, 3


class Explaining(nn.Module):
    """A network whose map is its logit, so that it can be exported."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def explain(self, *inputs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        features = self.network.features(*inputs)
        logits = self.network.classify(features)
        return logits, logits[:, 0] * 2, features


def make(architecture: str, **params: object) -> nn.Module:
    torch.manual_seed(0)
    tiny = {"hidden": 8, "layers": 2, "heads": 2, "dropout": 0.0, "summary": 8}
    model = SeriesModel.model_validate({**tiny, "architecture": architecture, **params})
    return build_series(model, variables=VARIABLES, descriptors=DESCRIPTORS, hours=HOURS)


def stays(count: int, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    rng = torch.Generator().manual_seed(seed)
    measured = torch.rand(count, HOURS, VARIABLES, generator=rng) < 0.3
    values = torch.randn(count, HOURS, VARIABLES, generator=rng) * measured
    return torch.randn(count, DESCRIPTORS, generator=rng), measured.to(torch.uint8), values


@every
def test_it_overfits_sixteen_rows(architecture: str) -> None:
    network, x = make(architecture).train(), stays(16)
    targets = (torch.arange(16) % 2).float()
    optimiser = torch.optim.Adam(network.parameters(), 2e-2)
    for _ in range(80):
        loss = get("binary").loss(network(*x), targets, weights=(1, 1), smoothing=0)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert loss < 0.1


@every
@pytest.mark.parametrize("members", [1, 3])
def test_gradient_reaches_every_weight(architecture: str, members: int) -> None:
    network = make(architecture, members=members).train()
    network(*stays(9)).square().sum().backward()
    cold = [n for n, w in network.named_parameters() if w.grad is None or not w.grad.abs().sum()]
    assert cold == []


@every
def test_one_row_scores_as_among_many(architecture: str) -> None:
    network, x = make(architecture, members=2).eval(), stays(6)
    with torch.no_grad():
        together = network(*x)
        alone = torch.cat([network(*(part[i : i + 1] for part in x)) for i in range(6)])
    assert together.shape == (6, 1)
    assert torch.allclose(together, alone, atol=1e-5)


@every
@pytest.mark.parametrize("members", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_the_artefact_is_the_network(architecture: str, members: int, tmp_path: Path) -> None:
    network = make(architecture, dropout=0.3, members=members).eval()
    names = ("descriptors", "measured", "values")
    rows = dict(zip(names, (part.numpy() for part in stays(9, seed=1)), strict=True))
    graph.export(Explaining(network), rows, tmp_path / "m.onnx")
    cloud = distance.add(tmp_path / "m.onnx", rows)
    logits, far, _, doubled = Session(tmp_path / "m.onnx", threads=1).explain(rows)
    with torch.no_grad():
        given = [torch.from_numpy(part) for part in rows.values()]
        expected, features = network(*given)[:, 0].numpy(), network.features(*given).double()
    assert np.allclose(logits, expected, atol=1e-4)
    assert np.allclose(doubled, 2 * expected, atol=1e-4)
    assert np.allclose(far, cloud.distances(features.numpy()), rtol=2e-3)


@pytest.mark.parametrize("architecture", ["gru", "tcn"])
def test_int8_stays_near_fp32(architecture: str, tmp_path: Path) -> None:
    network = make(architecture).eval()
    names = ("descriptors", "measured", "values")
    rows = dict(zip(names, (part.numpy() for part in stays(64, seed=2)), strict=True))
    graph.export(Explaining(network), rows, tmp_path / "fp32.onnx")
    int8.quantise(tmp_path / "fp32.onnx", tmp_path / "int8.onnx", rows)
    full, coarse = (
        Session(tmp_path / f"{name}.onnx", threads=1).score(rows) for name in ("fp32", "int8")
    )
    assert np.abs(full - coarse).max() < 0.1 * np.ptp(full)


@every
def test_a_stay_without_measurements_has_an_answer(architecture: str) -> None:
    descriptors, measured, values = stays(2)
    with torch.no_grad():
        logits = make(architecture).eval()(descriptors, measured * 0, values * 0)
    assert logits.isfinite().all()


@pytest.mark.parametrize("architecture", ["gru", "lstm", "gru_d", "transformer"])
def test_hours_are_read_in_their_order(architecture: str) -> None:
    network, (descriptors, measured, values) = make(architecture, summary=0).eval(), stays(4)
    with torch.no_grad():
        forwards = network(descriptors, measured, values)
        backwards = network(descriptors, measured.flip(1), values.flip(1))
    assert (forwards - backwards).abs().max() > 1e-4


def test_values_are_carried_and_hours_counted_as_a_plain_loop_would() -> None:
    _, measured, values = stays(3)
    known = measured.float()
    held, since = carried(values, known)
    last, hours = torch.zeros(3, VARIABLES), torch.zeros(3, VARIABLES)
    for hour in range(HOURS):
        here = known[:, hour] > 0
        last = torch.where(here, values[:, hour], last)
        hours = torch.where(here, torch.zeros_like(hours), hours + 1)
        assert torch.equal(held[:, hour], last)
        assert torch.allclose(since[:, hour], hours / HOURS)


def test_a_summary_is_that_worked_by_hand() -> None:
    values = torch.tensor([0, 2.0, 0, 6, 0])[None, :, None]
    known = torch.tensor([0, 1.0, 0, 1, 0])[None, :, None]
    found = summarised(values, known)[0]
    # last, first, mean, lowest, highest, spread, trend (hours as -1 … 1), share of hours
    expected = torch.tensor([6, 2, 4, 2, 6, 2, (-2 * -0.5 + 2 * 0.5) / 2, 0.4])
    assert len(found) == SUMMARIES
    assert torch.allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"architecture": "transformer", "hidden": 12, "heads": 4}, "12 is not divisible by twice"),
        ({"architecture": "rnn"}, "Input should be 'gru'"),
    ],
)
def test_impossible_models_are_refused(keys: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SeriesModel.model_validate(keys)


def test_steps_are_how_far_a_level_reaches_through_each_interval() -> None:
    found = stepped(torch.tensor([[0.25, 9.0, 9.0]]), torch.tensor([[1.0, 1.0, 0.0]]))
    low, high, unknown = found.view(3, STEPS)
    # Edges -3, -2, -1.4, -0.9, -0.5, -0.2 and 0.1 are passed; 0.25 is half-way from 0.1 to 0.4.
    assert torch.allclose(low, torch.tensor([1.0] * 6 + [0.5] + [0.0] * 5))
    assert high.tolist() == [1.0] * STEPS
    assert unknown.tolist() == [0.0] * STEPS
