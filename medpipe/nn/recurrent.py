"""Encoders of series that read hour after hour: GRU, LSTM, and GRU with decay.

References
----------
Cho et al. 2014, arXiv:1406.1078 (GRU); Hochreiter, Schmidhuber 1997 (LSTM).
Che et al. 2018, Scientific Reports 8:6085 (GRU-D: equations 3 to 6, and figure 2c).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from medpipe.nn.measured import carried
from medpipe.nn.params import SeriesModel

_OPSET = 20
_GATES = {"gru": (1, 0, 2), "lstm": (0, 3, 1, 2)}
"""Gates in ONNX's order, by their place in torch's: z r n for a GRU, i o f c for an LSTM."""


class Recurrent(nn.Module):
    """GRU or LSTM over values carried forward, mask, and hours since the last measurement.

    Exported, it is one node of ONNX a layer: torch would write a loop, which runs twenty times
    slower and takes minutes to export.
    """

    def __init__(self, params: SeriesModel, *, variables: int) -> None:
        super().__init__()
        self.kind, self.layers = params.architecture, params.layers
        kind = {"gru": nn.GRU, "lstm": nn.LSTM}[params.architecture]
        self.body = kind(
            3 * variables,
            params.hidden,
            num_layers=params.layers,
            dropout=params.dropout if params.layers > 1 else 0.0,
            batch_first=True,
        )

    def forward(self, values: Tensor, known: Tensor) -> Tensor:
        """The state (B, hidden) after the last hour of `values` and `known` (B, T, V)."""
        held, since = carried(values, known)
        x = torch.cat([held, known, since], dim=2)
        if torch.onnx.is_in_onnx_export():
            return self._exported(x)
        states: Tensor = self.body(x)[0]
        return states[:, -1]

    def _exported(self, x: Tensor) -> Tensor:
        states = x.transpose(0, 1)  # (T, B, …)
        hours, rows = states.shape[:2]
        for layer in range(self.layers):
            ih, hh, bias_ih, bias_hh = (
                self._gates(f"{name}_l{layer}")
                for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
            )
            attributes = {"hidden_size": self.body.hidden_size}
            if self.kind == "gru":
                attributes["linear_before_reset"] = 1  # as in torch and cuDNN
            found = torch.onnx.ops.symbolic(
                self.kind.upper(),
                (states, ih[None], hh[None], torch.cat([bias_ih, bias_hh])[None]),
                attributes,
                dtype=x.dtype,
                shape=(hours, 1, rows, self.body.hidden_size),
                version=_OPSET,
            )
            states = found[:, 0]  # of one direction
        return states[-1]

    def _gates(self, name: str) -> Tensor:
        """A weight or bias of torch's, its gates in the order of ONNX."""
        gates = getattr(self.body, name).chunk(len(_GATES[self.kind]))
        return torch.cat([gates[place] for place in _GATES[self.kind]])


class DecayingGRU(nn.Module):
    """GRU-D: an old value decays towards the mean, and so does the state, at learned rates."""

    def __init__(self, params: SeriesModel, *, variables: int) -> None:
        super().__init__()
        self.value_rate = nn.Parameter(torch.full((variables,), 0.5))
        self.value_start = nn.Parameter(torch.zeros(variables))
        self.state_decay = nn.Linear(variables, params.hidden)
        self.cell = nn.GRUCell(2 * variables, params.hidden)

    def forward(self, values: Tensor, known: Tensor) -> Tensor:
        """The state (B, hidden) after the last hour of `values` and `known` (B, T, V)."""
        held, since = carried(values, known)
        # Values are standardised, so that the mean, towards which they decay, is 0.
        fresh = torch.exp(-(self.value_rate * since + self.value_start).relu())
        seen = known * values + (1 - known) * fresh * held
        kept = torch.exp(-self.state_decay(since).relu())  # (B, T, hidden)
        state = torch.zeros_like(kept[:, 0])
        for hour in range(values.shape[1]):
            inputs = torch.cat([seen[:, hour], known[:, hour]], dim=1)
            state = self.cell(inputs, kept[:, hour] * state)
        return state
