"""Section `monitor` of params.yaml: the policy by which `medpipe monitor` decides."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from medpipe.workload import Section

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]


class MonitorParams(Section):
    """When `medpipe monitor` says that something has moved; no stage reads it.

    The defaults give the false alarms that `bench/alarms.py` counts (docs/monitor.md).
    """

    window_days: float = Field(
        7, gt=0, le=92, description="answers are judged by whole windows, counted from a Monday"
    )
    min_answers: int = Field(
        50, ge=20, description="in a window, of all or of a part, before it is judged"
    )
    alpha: float = Field(
        0.003,
        gt=0,
        le=0.05,
        description="chance that a quiet window shows anything at all, over all its facts; as much "
        "again over all sites and subgroups",
    )
    outcome_alpha: float = Field(
        0.001,
        gt=0,
        le=0.05,
        description="the same of one look at all outcomes; smaller, because they are looked at in "
        "every window anew and nothing has to last",
    )
    psi_floor: NotNegative = Field(
        0.1, description="population stability index beyond chance that is worth an alarm"
    )
    not_stated_floor: Share = Field(
        0.05, description="change of the share that is not stated that is worth an alarm"
    )
    lasting: int = Field(2, ge=1, le=12, description="windows that must show it before it counts…")
    among: int = Field(3, ge=1, le=12, description="… among this many, the newest one of them")
    own_past: int = Field(
        400,
        ge=50,
        description="answers of a site or subgroup, the first after the release, that its later "
        "ones are held against",
    )
    outcome_days: float = Field(
        91, gt=0, description="answers no older than this are judged by their outcomes"
    )
    min_outcomes: int = Field(100, ge=20, description="known before performance is judged")
    min_cases: int = Field(10, ge=5, description="of them, with the outcome and without it, each")
    auroc_margin: Share = Field(0.05, description="below what the report promised")
    brier_margin: Share = Field(0.03, description="above what the report promised")
    observed_margin: Positive = Field(
        0.25, description="observed over expected outcomes beyond 1 + this, or below 1 / (1 + this)"
    )
    cooldown_days: float = Field(
        14, ge=0, description="after a release before it is said to retrain or recalibrate"
    )

    textfiles: str | None = Field(
        None,
        description="folder of node_exporter's textfile collector, where the metrics are put for "
        "Prometheus; none: only beside the verdict",
    )

    @model_validator(mode="after")
    def _reachable(self) -> Self:
        if self.lasting > self.among:
            raise ValueError(f"lasting {self.lasting} is more than among {self.among}")
        return self
