"""A question with a column of each kind that a record may state."""

from typing import ClassVar

from medpipe.columns import COMMON, Column


class Question:
    title = "Whether somebody is ill"
    example: ClassVar = {"age_years": 50, "creatinine": [[0.5, 1.2], [47, 3]]}
    label_columns = ("ill", "died")
    columns = (
        *COMMON,
        Column("age_years", "float", "age", unit="years", low=0, high=120, nullable=False),
        Column("visits", "int", "visits before", low=0, high=50),
        Column("sex", "category", "sex", values=("F", "M")),
        Column("smokes", "bool", "smokes now"),
        Column("seen_on", "date", "day"),
        Column("creatinine", "series", "in serum", unit="mg/dL", low=0.1, high=30, span_h=48),
        Column("digest", "str", "of the record", computed=True),
        Column("ill", "int", "label", low=0, high=1),
        Column("died", "int", "another label", low=0, high=1),
        Column("image", "bytes", "content"),
    )


GOOD = {"age_years": 50, "creatinine": [[0.5, 1.2], [47, 3]]}
