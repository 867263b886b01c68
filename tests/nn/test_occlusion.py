"""Occlusion: effects worked by hand on a linear network, in torch and in the exported file."""

import numpy as np
import torch
from torch import nn

from medpipe.artefact import distance, graph
from medpipe.nn.occlusion import Occlusion
from medpipe.serving.session import Session


class Sum(nn.Module):
    """logit = 2 a + 3 b + c, of x = (a, b) and one code c."""

    def forward(self, x: torch.Tensor, code: torch.Tensor) -> torch.Tensor:
        return self.classify(self.features(x, code))

    def features(self, x: torch.Tensor, code: torch.Tensor) -> torch.Tensor:
        return torch.cat([x * torch.tensor([2.0, 3.0]), code.float()], 1)

    def classify(self, features: torch.Tensor) -> torch.Tensor:
        return features.sum(1, keepdim=True)


def network() -> Occlusion:
    shown = torch.ones(3, 3, dtype=torch.bool) ^ torch.eye(3, dtype=torch.bool)
    return Occlusion(
        Sum(),
        shown=(shown[:, :2], shown[:, 2:]),
        unknown=(torch.tensor([0.5, 0.0]), torch.tensor([0])),
        shape=(3,),
    )


ROWS = {"x": np.array([[1.5, -1], [0.5, 2]], np.float32), "code": np.array([[4], [0]])}
LOGITS = [4.0, 7.0]
EFFECTS = [[2.0, -3.0, 4.0], [0.0, 6.0, 0.0]]


def test_an_effect_is_what_the_logit_loses_without_the_part() -> None:
    logits, effects, features = network().explain(
        *(torch.from_numpy(rows) for rows in ROWS.values())
    )
    torch.testing.assert_close(logits[:, 0], torch.tensor(LOGITS))
    torch.testing.assert_close(effects, torch.tensor(EFFECTS))
    torch.testing.assert_close(features, torch.tensor([[3.0, -3, 4], [1, 6, 0]]))


def test_the_exported_file_gives_the_same_effects_for_any_number_of_rows(tmp_path) -> None:
    graph.export(network(), ROWS, tmp_path / "model.onnx")
    distance.add(tmp_path / "model.onnx", ROWS)
    session = Session(tmp_path / "model.onnx", threads=1)
    three = {name: rows[[0, 1, 1]] for name, rows in ROWS.items()}
    logits, _, _, effects = session.explain(three)
    np.testing.assert_allclose(logits, [*LOGITS, LOGITS[1]])
    np.testing.assert_allclose(effects, [*EFFECTS, EFFECTS[1]])
    np.testing.assert_allclose(session.score({n: r[:1] for n, r in ROWS.items()}), LOGITS[:1])
