"""Invented patients with everything by which a radiograph's header identifies one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

import numpy as np

_FAMILIES = (
    *("Abernathy", "Birkenshaw", "Calloway", "Dunmore", "Eastlake", "Fairweather", "Garrick"),
    *("Hollingworth", "Ingleby", "Jessop", "Kettlewell", "Lovegrove", "Merriman", "Nightingale"),
    *("Okonjo", "Pemberton", "Quartermain", "Ravenscroft", "Satterthwaite", "Thistlewood"),
    *("Underhill", "Vasquez-Moor", "Winterbourne", "Yarwood", "Zielinska"),
)
_GIVEN = {
    "F": ("Agnes", "Beatrix", "Clementine", "Delphine", "Edith", "Flora", "Harriet", "Imogen"),
    "M": ("Alasdair", "Barnaby", "Cornelius", "Desmond", "Edgar", "Fergus", "Horace", "Ivor"),
}
_PHYSICIANS = ("Haldane^Morag^^Dr", "Pritchard^Owen^^Dr", "Sorensen^Liv^^Dr", "Achebe^Chidi^^Dr")
_STREETS = ("Larkspur Close", "Mill Race", "Old Ferry Road", "Quarry Bank")
_FIRST_STUDY = date(2021, 1, 4)
_DAYS = 4 * 365
_DAYS_A_YEAR = 365.25
Sex = Literal["F", "M"]


@dataclass(frozen=True)
class Person:
    """One invented patient."""

    patient_id: str
    family: str
    given: str
    sex: Sex
    born: date
    first_study: date
    address: str
    telephone: str
    physician: str

    @property
    def dicom_name(self) -> str:
        return f"{self.family}^{self.given}"

    def age_years(self, day: date) -> int:
        """Completed years on `day`."""
        return day.year - self.born.year - ((day.month, day.day) < (self.born.month, self.born.day))


def invent(rng: np.random.Generator, *, number: int) -> Person:
    """The person with this running number; ages 18 to 95, elderly people over-represented."""
    sex: Sex = "F" if rng.random() < 0.48 else "M"
    first_study = _FIRST_STUDY + timedelta(days=int(rng.integers(_DAYS)))
    age_days = int((18 + 77 * rng.beta(2.2, 1.6)) * _DAYS_A_YEAR)
    return Person(
        patient_id=f"{rng.choice(['AM', 'FH'])}{7_100_000 + 13 * number}",
        family=str(rng.choice(_FAMILIES)),
        given=str(rng.choice(_GIVEN[sex])),
        sex=sex,
        born=first_study - timedelta(days=age_days),
        first_study=first_study,
        address=f"{rng.integers(1, 200)} {rng.choice(_STREETS)}, Fernhill",
        telephone=f"+44 1632 960{rng.integers(1000):03d}",  # a range reserved for fiction
        physician=str(rng.choice(_PHYSICIANS)),
    )
