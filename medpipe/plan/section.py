"""Section `plan` of params.yaml: the limits within which a model may change without a person."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from medpipe.workload import Section

Value = bool | int | float | str
Limit = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Above0 = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Occasion = Literal["first", "outside", "drift", "recalibration", "always"]
_DAY = r"^\d{4}-\d{2}-\d{2}$"


class Bounds(Section):
    """What one parameter may be: from `low` to `high`, both included, or one of `choices`."""

    low: int | float | None = None
    high: int | float | None = None
    choices: list[Value] | None = Field(None, min_length=1)

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        ends = [end for end in (self.low, self.high) if end is not None]
        if bool(ends) == bool(self.choices):
            raise ValueError("write low, high or both, or choices")
        if len(ends) == 2 and ends[0] > ends[1]:
            raise ValueError(f"low {ends[0]} is above high {ends[1]}")
        return self


class DataPlan(Section):
    """Which data an automatic retrain may take."""

    sources: list[str] = Field(
        default_factory=list, description="names of sources; none: the champion's alone"
    )
    new_least: int = Field(
        0, ge=0, description="labelled examples that the champion was not made with, at least"
    )
    new_most: int | None = Field(
        None, ge=0, description="the same, at most: more at once deserves a look; null: no limit"
    )
    since: str | None = Field(
        None,
        pattern=_DAY,
        description='"2015-01-01", in quotes: no example may be older. Times in raw are moved by '
        "up to a year, so that only what is older for certain is noticed",
    )
    until: str | None = Field(None, pattern=_DAY, description="the same, no example may be newer")
    doubted: bool = Field(
        False,
        description="whether it may learn while medpipe monitor finds answers worse, or facts no "
        "longer stated, and advises to look at the data first; or while the champion orders the "
        "labelled examples that came in after it worse, and their inputs are what they were",
    )


class AcceptPlan(Section):
    """What an automatic retrain must reach beyond section `gate`; each at least as strict as it."""

    floors: dict[str, float] = Field(default_factory=dict)
    ceilings: dict[str, Limit] = Field(default_factory=dict)
    external_floors: dict[str, float] = Field(default_factory=dict)
    margins: dict[str, Limit] = Field(default_factory=dict)
    subgroup_gap: Limit | None = None
    ece_max: Limit | None = None


class RecalibrationPlan(Section):
    """Which answers risks may be recalibrated by, and how far without a person."""

    days: int = Field(91, ge=7, le=1096, description="answers no older than this are looked at")
    cases_least: int = Field(
        50,
        ge=10,
        description="answers with the outcome, and as many without it, among those that are fitted "
        "to and among those that judge, each",
    )
    intercept: Bounds = Field(
        Bounds(low=-1.4, high=1.4),
        description="log odds that are added; 1.4 makes the odds four times as high",
    )
    slope: Bounds = Field(Bounds(low=0.5, high=2.0), description="of the logit of the risk")
    observed_margin: Above0 = Field(
        0.25, description="observed over expected outcomes beyond 1 + this, or below 1 / (1 + this)"
    )


class PlanParams(Section):
    """What may change without a person, and when one is asked; no stage reads it."""

    may_change: dict[str, Bounds] = Field(
        default_factory=dict,
        description="dotted name of a parameter → what it may be; all others stay as the "
        "champion's certificate says",
    )
    data: DataPlan = DataPlan()
    accept: AcceptPlan = AcceptPlan()
    recalibrate: RecalibrationPlan = RecalibrationPlan()
    approve: list[Occasion] = Field(
        default_factory=list,
        description="when a person must approve what the gate allowed: first (there is no champion "
        "yet), outside (a run by hand outside this plan), drift (that was the reason), "
        "recalibration (of its risks, for whatever reason), always; none: never",
    )
    cooldown_h: Limit = Field(
        24, description="hours before drift that asks for the same may start another training"
    )
    answer_days: int = Field(
        14, ge=1, le=365, description="not answered for so long is rejected, by policy"
    )
