"""Options of a layout (`source.options` in params.yaml), checked where the layout knows them."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import ValidationError

from medpipe.errors import ParamsError
from medpipe.workload import Section

S = TypeVar("S", bound=Section)
WITHOUT_LABEL = {"labelled": False}
"""Options of layout `table` where the answers are not known yet."""


def checked(model: type[S], options: Mapping[str, Any], *, layout: str) -> S:
    """`options` as a `model`.

    Raises
    ------
    ParamsError : an option is unknown, missing or of the wrong type; all of them are listed
    """
    try:
        return model.model_validate(dict(options))
    except ValidationError as error:
        said = [_explained(model, detail) for detail in error.errors(include_url=False)]
        raise ParamsError(f"source.options of layout {layout}: " + "; ".join(said)) from None


def _explained(model: type[Section], detail: Any) -> str:
    name = ".".join(str(step) for step in detail["loc"])
    known = list(model.model_fields)
    if detail["type"] == "extra_forbidden":
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.4)
        hint = f"did you mean {near[0]}? " if near else ""
        return f"{name} is not an option; {hint}known: {', '.join(known)}"
    if detail["type"] == "missing":
        return f"{name} is missing; known: {', '.join(known)}"
    return f"{name} is {detail['input']!r}: {detail['msg']}"
