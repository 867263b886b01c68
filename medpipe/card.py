"""What a person should know of a workload: the card of its model, and its data dictionary.

The dictionary is derived from `columns` alone, as the schema, the expectations and the limits of a
request are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from medpipe import certificate, draft, files, keys, outcome
from medpipe.columns import COMMON, Column
from medpipe.errors import CertificateError
from medpipe.paths import Layout
from medpipe.records import record
from medpipe.workload import Workload

_HEAD = (
    *("column", "type", "unit", "allowed", "may be missing"),
    *("outside", "request", "role", "meaning"),
)


@dataclass(frozen=True)
class Entry:
    """One column of the data dictionary.

    Parameters
    ----------
    allowed : range or values, in words, with the unit
    may_be_missing : a row without it is no fault
    outside : what validate does with a stored value that is not allowed; empty where any is
    in_request : whether a request states it
    role : what it is for: whom it is about, what is asked, a subgroup of the report, …
    """

    name: str
    dtype: str
    unit: str
    allowed: str
    may_be_missing: bool
    outside: str
    in_request: bool
    role: str
    meaning: str


def dictionary(workload: Workload) -> list[Entry]:
    """The columns of raw, in their order."""
    asked = record.asked(workload) if workload.payload == "record" else ()
    names = {column.name for column in asked}
    return [
        _entry(column, workload, in_request=column.name in names) for column in workload.columns
    ]


def data_markdown(workload: Workload) -> str:
    """`dictionary` as a Markdown page."""
    entries = dictionary(workload)
    request = (
        "A request states the columns marked so, and nothing else; a value that is not allowed is "
        "refused, with the limit."
        if workload.payload == "record"
        else "A request is a file; what the columns say of it is read from the file."
    )
    rows = [_row(entry) for entry in entries]
    return (
        f"# Data of `{workload.name}`: {workload.title}\n\n{len(entries)} columns of raw. {request}"
        f"\n\n{_table(_HEAD, rows)}\n"
    )


def model(workload: Workload, layout: Layout) -> dict[str, Any]:
    """The card of the champion, else of what was evaluated, else what is known before both.

    Returns
    -------
    dict
        That of the release or of the report, with ``state``, how the model stands, in words, and
        ``unfilled``, the facts of the workload that somebody has still to write.
    """
    facts = {"unfilled": draft.unfilled(workload)}
    if (layout.champion / "card.json").is_file():
        held = files.read_json(layout.champion / "card.json", made_by="medpipe promote")
        return {
            **held,
            **facts,
            "state": f"champion, version {held['version']}; {_vouched(layout)}",
        }
    if layout.report.is_file():
        report = files.read_json(layout.report, made_by=f"medpipe stage evaluate {workload.name}")
        state = "a candidate: evaluated, and not champion"
        return {**report, **facts, "measured": report.get("created"), "state": state}
    told = {name: getattr(workload, name) for name in ("title", "intended_use", "not_for")}
    return {"workload": workload.name, **told, **facts, "state": "no model yet"}


def model_markdown(card: Mapping[str, Any]) -> str:
    """`model` as a Markdown page."""
    parts = [
        f"# Model card: {card['title']}",
        f"`{card['workload']}`, {card['state']}.",
        f"## Intended use\n{card['intended_use']}",
        f"## Not for\n{card['not_for']}",
    ]
    if card["unfilled"]:
        listed = ", ".join(card["unfilled"])
        parts.append(
            f"## Still to be written\n{listed} (in medpipe/workloads/{card['workload']}.py)"
        )
    if "splits" in card:
        parts += _measured(card)
    return "\n\n".join(parts) + "\n"


def as_json(entries: Sequence[Entry]) -> list[dict[str, Any]]:
    """`entries` for JSON."""
    return [asdict(entry) for entry in entries]


def _entry(column: Column, workload: Workload, *, in_request: bool) -> Entry:
    is_limited = bool(column.values) or (column.low, column.high) != (None, None)
    return Entry(
        name=column.name,
        dtype=column.dtype,
        unit=column.unit,
        allowed=column.allowed,
        may_be_missing=column.nullable,
        outside="" if not is_limited else "flagged" if column.flagged else "stops the run",
        in_request=in_request,
        role=_role(column, workload),
        meaning=column.meaning,
    )


def _row(entry: Entry) -> tuple[str, ...]:
    """An entry as a line of the table under `_HEAD`."""
    missing, stated = _yes(entry.may_be_missing), _yes(entry.in_request)
    return (
        *(f"`{entry.name}`", entry.dtype, entry.unit, entry.allowed, missing),
        *(entry.outside, stated, entry.role, entry.meaning),
    )


def _role(column: Column, workload: Workload) -> str:
    if column.name in workload.label_columns:
        return "what is asked"
    if column.name in {each.name for each in COMMON[:2]}:
        return "pseudonym"
    roles = [
        word
        for word, holds in (("subgroup", column.subgroup), ("computed", column.computed))
        if holds
    ]
    return ", ".join(roles)


def _vouched(layout: Layout) -> str:
    """Whether the champion's certificate fits its files, in words."""
    try:
        signed = certificate.read(layout.champion)
        certificate.verify(signed, layout.champion, keys.trusted(layout.home))
    except CertificateError as error:
        return f"its certificate does not fit: {error}"
    return "its certificate fits its files"


def _measured(card: Mapping[str, Any]) -> list[str]:
    """The sections about a model that was evaluated."""
    data, receipt = card["data"], card["receipt"]
    facts = {
        "version": card.get("version"),
        "MLflow run": card["run_id"],
        "artefact": card["variant"],
        "measured": card.get("measured"),
        "data version": data.get("raw_version"),
        "code": data.get("commit"),
        "split receipt": receipt.get("digest"),
        "threshold": (card.get("threshold") or {}).get("value"),
        **(card.get("operating_point") or {}),
        "unfamiliar beyond distance": (card.get("familiar") or {}).get("distance"),
    }
    rows = [(name, str(value)) for name, value in facts.items() if value is not None]
    found = [f"## Where it comes from\n{_table(('what', 'value'), rows)}", *_recalibrated(card)]
    for name, split in card["splits"].items():
        if split and split.get("metrics"):
            people = f"{split.get('examples')} examples of {split.get('groups')} patients"
            lines = [(metric, _interval(value)) for metric, value in split["metrics"].items()]
            lines += _sure(split.get("sets"), (card.get("familiar") or {}).get("flagged"), name)
            found.append(f"## On {name}: {people}\n{_table(('metric', 'value (interval)'), lines)}")
    judged = [
        (f"{s['column']} {s['value']}", str(s["examples"]), *_subgroup(s["metrics"]))
        for s in card.get("subgroups", [])
        if s.get("metrics")
    ]
    if judged:
        first = next(iter(next(s for s in card["subgroups"] if s.get("metrics"))["metrics"]))
        found.append(f"## Subgroups\n{_table(('subgroup', 'examples', first), judged)}")
    return found


def _recalibrated(card: Mapping[str, Any]) -> list[str]:
    """What was made of the model's own answers since it was measured; nothing where it is new."""
    section = card.get("recalibration")
    if section is None:
        return []
    first = (
        f"The model of version {section['of']} with other risks. What was measured on test was "
        "with those that it had before: there, only what does not depend on them still holds."
    )
    return [f"## Recalibrated\n{' '.join([first, *section['words']])}"]


def _sure(
    sets: Mapping[str, Any] | None, flagged: Mapping[str, Any] | None, split: str
) -> list[tuple[str, str]]:
    """How often what is called possible holds the truth, and how much is unfamiliar."""
    shares = {}
    if sets:
        shares["truth among what is possible"] = sets["coverage"]
        shares |= {f"the same where {name}": each for name, each in sets["outcomes"].items()}
        words = {"one": "a single outcome possible", "several": "several", "none": "none"}
        shares |= {words[name]: each for name, each in sets["sizes"].items()}
    if flagged and flagged.get(split):
        shares["unfamiliar inputs"] = flagged[split]
    return [(name, _interval(value)) for name, value in shares.items()]


def _subgroup(metrics: Mapping[str, Any]) -> tuple[str]:
    return (_interval(next(iter(metrics.values()))),)


def _interval(value: Any) -> str:
    return outcome.measured(value) if isinstance(value, Mapping) else str(value)


def _yes(holds: bool) -> str:
    return "yes" if holds else "no"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines
    )
