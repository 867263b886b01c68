"""Quantities of FHIR, in the unit of a column: by declared factors, and by nothing else.

A unit that is not declared is refused with those that are. No library of units is asked: whether
mmol/L may become mg/dL depends on the substance, which only the declaration knows; the factors are
tested against one. Figures are converted in decimal, so that 35 % is 0.35 and not its neighbour.

References
----------
The Unified Code for Units of Measure (UCUM), https://ucum.org; molar masses from the standard
atomic weights of IUPAC (2021), doi:10.1515/pac-2019-0603.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from medpipe.io.fhir.elements import UCUM, Node, text


@dataclass(frozen=True)
class Scale:
    """value in the column's unit = `factor` · value as sent + `offset`."""

    factor: Decimal
    offset: Decimal = Decimal(0)

    def __call__(self, value: float) -> float:
        return float(Decimal(repr(value)) * self.factor + self.offset)


Units = Mapping[str, Scale]
"""By UCUM code."""


def units(factors: Mapping[str, str | int]) -> Units:
    """`Units` whose zeros coincide with the column's."""
    return {code: Scale(Decimal(factor)) for code, factor in factors.items()}


_REPEATED = (
    *("%", "1", "{score}", "mm[Hg]", "mmHg", "kPa", "Cel", "[degF]", "K", "kg", "g", "mg", "ug"),
    *("[lb_av]", "[oz_av]", "m", "cm", "mm", "[in_i]", "[ft_i]", "L", "dL", "mL", "mL/h", "mL/min"),
    *("/min", "s", "min", "h", "a", "mol/L", "mmol/L", "umol/L", "nmol/L", "pmol/L", "meq/L"),
    *("g/L", "g/dL", "mg/L", "mg/dL", "ug/L", "ug/dL", "ug/mL", "ng/L", "ng/mL", "ng/dL", "pg/mL"),
    *("U/L", "[IU]/L", "ukat/L", "/L", "/uL", "10*3/uL", "10*6/uL", "10*9/L", "10*12/L"),
    *("mmol/mol", "L/L", "[pH]"),
)
"""Units that a refusal may repeat; any other text may be a person's."""


def code(quantity: Node) -> str | None:
    """The UCUM code of a Quantity; "1" where it names no unit at all, None where another system's.

    A unit without a system counts if it is spelled as UCUM spells it.
    """
    system, coded, written = (text(quantity, name) for name in ("system", "code", "unit"))
    if system and system != UCUM:
        return None
    return coded or written or "1"


def shown(unit: str | None) -> str:
    """`unit`, for a refusal: in words where it is one that nobody declared."""
    if unit is None:
        return "of another system than UCUM"
    if unit == "1":
        return "none"
    return unit if unit in _REPEATED else "not one that is known here"
