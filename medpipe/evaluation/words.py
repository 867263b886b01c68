"""A report's numbers as sentences: people counted in hundreds, the interval in brackets.

References
----------
Gigerenzer et al. 2007, Psychological Science in the Public Interest 8:53–96 (natural frequencies
are understood where percentages of percentages are not).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from medpipe import outcome
from medpipe.artefact.exported import UNPRUNED
from medpipe.evaluation.measures.contract import Sentence

Report = Mapping[str, Any]


def alerts(report: Report) -> list[str]:
    """What a reader must know before any figure, whatever is measured; nothing if all is well."""
    said = {
        "The split receipt is not clean: the model may know patients or images that it was tested "
        "on.": not report["receipt"]["clean"],
        "The data broke a rule of validation.": not report["validation"]["passed"],
        **_lost_to_baseline(report),
    }
    return [sentence for sentence, holds in said.items() if holds]


def _lost_to_baseline(report: Report) -> dict[str, bool]:
    found = report["baseline"]
    differences = found["difference"].values() if found else []
    lost = [d for d in differences if d["difference"] is not None and d["difference"] < 0]
    sure = any(d["high"] is not None and d["high"] < 0 for d in lost)
    return {
        "Gradient boosting, a far simpler model, does better on these patients.": sure,
        "Gradient boosting, a far simpler model, does no worse on these patients.": bool(lost)
        and not sure,
    }


def baseline(report: Report) -> str:
    """How the network does beside gradient boosting; empty where there is none."""
    found = report["baseline"]
    if not found:
        return ""
    (metric, paired), *_ = found["difference"].items()
    said = f"Gradient boosting on the same patients: {shown(found['metrics'][metric])}."
    if paired["difference"] is None:
        return f"{said} The two cannot be compared: {paired.get('undefined', 'no reason given')}."
    difference = {**paired, "value": abs(paired["difference"])}
    if paired["difference"] < 0:
        low, high = (None if paired[b] is None else -paired[b] for b in ("high", "low"))
        difference |= {"low": low, "high": high}
    side = "lower" if paired["difference"] < 0 else "higher"
    return f"{said} The network is {side} by {shown(difference)} on the same examples."


def left_out(report: Report) -> list[tuple[str, int]]:
    """Why examples of raw are on no side of the split, and how many, the most frequent first."""
    spoken = {
        "without_label": "no label is known",
        "copy_on_another_side": "the same content stands under another patient on another side",
    }
    counts = report["receipt"]["left_out"].items()
    found = [(spoken.get(reason, reason), count) for reason, count in counts if count]
    return sorted(found, key=lambda each: -each[1])


def condition(report: Report) -> str:
    """What is looked for, as a noun."""
    return str(report["looked_for"])


def forms(report: Report) -> str:
    """What the table of exported files compares, and with which."""
    first, runs = report["artefacts"][0], report["latency_ms"]["runs"]
    return (
        f"{_pruned(report)}All were scored on the same patients as the served one. Gain or loss is "
        f"against {first['variant']}, with its paired interval; time is the median of {runs} runs, "
        "one example after another. The validation patients are for choosing, the test patients "
        "for judging what was chosen."
    )


def _pruned(report: Report) -> str:
    """What was taken out of the network; empty where nothing was."""
    if report["artefacts"][0]["variant"] != UNPRUNED:
        return ""
    asked = report["params"]["train"]["prune"]
    what = {
        "magnitude": "of the weights, the smallest, are held at 0, which makes the file neither "
        "smaller nor faster",
        "structured": "of the channels of each layer, those of the smallest norm, were removed",
    }[asked["method"]]
    epochs = asked["fine_tune_epochs"]
    return (
        f"{100 * asked['amount']:g} % {what}; then the network was fitted for {epochs} more "
        f"epoch{'s' if epochs > 1 else ''}. "
    )


def gained(gain: Mapping[str, Any]) -> str:
    """A paired difference with a digit more than metrics have: forms of one network lie close."""
    if gain["difference"] is None:
        return "undefined"
    low, value, high = (
        "?" if gain[key] is None else f"{gain[key]:z.4f}" for key in ("low", "difference", "high")
    )
    return f"{value} ({low} to {high})".replace("-", "−")


def noun(split: Mapping[str, Any]) -> str:
    """Patients where each has one example; otherwise the examples are what was counted."""
    return "patients" if split["examples"] == split["groups"] else "examples"


def hundredths(share: float) -> str:
    """A share as people in a hundred; 99.6 is not rounded up to all, nor 0.4 down to none."""
    if 0 < share < 0.01 or 0.99 < share < 1:
        return f"{100 * share:.1f}"
    return f"{100 * share:.0f}"


def shown(found: Mapping[str, Any] | None) -> str:
    """A metric as ``0.934 (0.902–0.957)``; the page says elsewhere why one has no value."""
    if found is None or found.get("value") is None:
        return "undefined"
    return outcome.measured(found)


def sentence(
    name: str, found: Mapping[str, Any], text: str, *, digits: int | None = None, unit: str = ""
) -> Sentence:
    """A headline from `text` with places for {figure} and {interval}.

    The figure is a share, told in hundreds; `digits` shows it as it is beside the sentence. With a
    `unit` (blank for none) it is a quantity, told as it is.
    """
    if found["value"] is None:
        return Sentence(name, "–", "", f"Not defined: {found.get('undefined', 'no reason given')}.")
    if unit:
        figure = f"{found['value']:.{digits}f}{unit.rstrip()}"
        reach = between(found, digits=digits)
        said = text.format(figure=figure, interval=f"({reach})" if reach else "")
        return Sentence(name, figure, reach, said.replace(" .", "."))
    reach = ""
    if found["low"] is not None:
        reach = f"({hundredths(found['low'])}–{hundredths(found['high'])})"
    said = text.format(figure=hundredths(found["value"]), interval=reach).replace(" .", ".")
    figure = f"{hundredths(found['value'])} %" if digits is None else f"{found['value']:.{digits}f}"
    return Sentence(name, figure, between(found, digits=digits), said)


def between(found: Mapping[str, Any], *, digits: int | None) -> str:
    """The interval alone, with `digits` decimals, or in per cent; empty where there is none."""
    low, high = found["low"], found["high"]
    if low is None:
        return ""
    if digits is None:
        return f"{hundredths(low)}–{hundredths(high)} %"
    return outcome.between(found, digits=digits)
