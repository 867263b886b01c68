"""What a gate decides, and by what policy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Protocol


class Policy(Protocol):
    """What the gate demands: section `gate` of params.yaml, or anything with these fields."""

    @property
    def floors(self) -> Mapping[str, float]: ...
    @property
    def ceilings(self) -> Mapping[str, float]: ...
    @property
    def external_floors(self) -> Mapping[str, float]: ...
    @property
    def margins(self) -> Mapping[str, float]: ...
    @property
    def baseline_margin(self) -> float | None: ...
    @property
    def coverage_margin(self) -> float | None: ...
    @property
    def subgroup_gap(self) -> float: ...
    @property
    def ece_max(self) -> float: ...
    @property
    def parity_auroc(self) -> float: ...
    @property
    def parity_probability(self) -> float: ...
    @property
    def latency_p95_ms(self) -> float: ...
    @property
    def clean_receipt(self) -> bool: ...
    @property
    def validated(self) -> bool: ...


@dataclass(frozen=True)
class Check:
    """One demand and how it was met.

    Parameters
    ----------
    value : what was compared with the limit; None where there was nothing to compare
    limit : None where the demand is not a number
    why : a sentence for the person who has to act
    """

    name: str
    passed: bool
    value: float | None
    limit: float | None
    why: str


@dataclass(frozen=True)
class Verdict:
    """What the gate decided and why."""

    allowed: bool
    checks: tuple[Check, ...]

    @property
    def reasons(self) -> list[str]:
        """Why it was refused; empty where it was allowed."""
        return [check.why for check in self.checks if not check.passed]

    def as_json(self) -> dict[str, Any]:
        """`{allowed, reasons, checks: [{name, passed, value, limit, why}]}`."""
        return {
            "allowed": self.allowed,
            "reasons": self.reasons,
            "checks": [asdict(check) for check in self.checks],
        }


def verdict(checks: Iterator[Check] | list[Check]) -> Verdict:
    """Allowed when every check has passed, and there is at least one."""
    found = tuple(checks)
    return Verdict(bool(found) and all(check.passed for check in found), found)
