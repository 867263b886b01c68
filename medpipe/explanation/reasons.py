"""Reasons of an answer: the strongest of them, and a drawing that a browser shows as it is.

The drawing is one SVG without script, style sheet, font or link, and every text in it is escaped.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from xml.sax.saxutils import escape

from medpipe.workload import Picture, Reason

STRONGEST = 6
_EFFECT_MIN = 0.005
"""Of the logit: less is no reason, and would be written as 0.00."""
_ROW_PX, _TEXT_PX, _BAR_PX, _EDGE_PX = 26, 340, 220, 12
_NUMBER_PX = 48
_RAISES, _LOWERS, _INK = "#b3401f", "#1f6fb3", "#222222"


def strongest(reasons: Iterable[Reason], *, count: int = STRONGEST) -> tuple[Reason, ...]:
    """At most `count` of `reasons`, strongest first; what moved nothing is left out."""
    moved = [reason for reason in reasons if abs(reason.effect) >= _EFFECT_MIN]
    return tuple(sorted(moved, key=lambda reason: -abs(reason.effect))[:count])


def bars(reasons: Sequence[Reason]) -> Picture:
    """One bar per reason: to the right, red, what raised the risk; to the left, blue, what lowered.

    A bar's length is the effect on the logit, the longest one filling its side.
    """
    longest = max((abs(reason.effect) for reason in reasons), default=0.0) or 1.0
    lines = [_bar(reason, place, longest) for place, reason in enumerate(reasons)]
    if not reasons:
        lines = [_text(_EDGE_PX, _ROW_PX, "Nothing that was stated moved this answer.", "start")]
    width = 2 * _EDGE_PX + _TEXT_PX + 2 * (_BAR_PX // 2 + _NUMBER_PX)
    height = _ROW_PX * (max(len(reasons), 1) + 2)
    middle = _middle()
    axis = (
        f'<line x1="{middle}" x2="{middle}" y1="{_ROW_PX}" y2="{height - 8}" stroke="{_INK}"/>'
        if reasons
        else ""
    )
    title = _text(_EDGE_PX, 18, "What moved this answer (effect on the logit)", "start", bold=True)
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" font-family="sans-serif" font-size="13" role="img">'
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>'
        f"{title}{axis}{''.join(lines)}</svg>"
    )
    return Picture("image/svg+xml", svg.encode())


def _bar(reason: Reason, place: int, longest: float) -> str:
    top = _ROW_PX * (place + 1) + 6
    length = round(_BAR_PX / 2 * abs(reason.effect) / longest, 1)
    raises = reason.effect > 0
    left = _middle() if raises else round(_middle() - length, 1)
    beyond = _middle() + length + 5 if raises else left - 5
    label = f"{reason.what}: {reason.value}"
    return (
        _text(_EDGE_PX, top + 13, label, "start", wide=_TEXT_PX)
        + f'<rect x="{left}" y="{top}" width="{length}" height="{_ROW_PX - 8}" '
        f'fill="{_RAISES if raises else _LOWERS}"/>'
        + _text(round(beyond, 1), top + 13, f"{reason.effect:+.2f}", "start" if raises else "end")
    )


def _middle() -> float:
    """Where bars begin, px from the left."""
    return _EDGE_PX + _TEXT_PX + _NUMBER_PX + _BAR_PX / 2


def _text(
    x: float, y: float, text: str, anchor: str, *, wide: int | None = None, bold: bool = False
) -> str:
    # A long text is squeezed into its place, not cut: half a label says something else.
    narrow = wide is not None and len(text) * 7 > wide
    squeezed = (
        f' textLength="{wide - 8}" lengthAdjust="spacingAndGlyphs"' if wide and narrow else ""
    )
    weight = ' font-weight="bold"' if bold else ""
    return (
        f'<text x="{x}" y="{y}" fill="{_INK}" text-anchor="{anchor}"{squeezed}{weight}>'
        f"{escape(text)}</text>"
    )
