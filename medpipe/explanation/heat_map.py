"""Effects of parts of an example as a coloured table: one SVG that loads nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

_LINES = 14
"""Of those that moved the answer most; more are not read."""
_TITLE_PX, _CELL_PX, _LINE_PX, _HEAD_PX = 260, 66, 24, 52
_RAISED, _LOWERED = (178, 34, 34), (33, 82, 165)
_SIGNED_MIN = 0.05
"""Of the strongest effect; below it a colour is hardly seen either."""
_FONT = 'font-family="sans-serif" font-size="12"'


@dataclass(frozen=True)
class Line:
    """One line of the table.

    Parameters
    ----------
    title : in words, with the unit
    effects : of each column, or one of the whole line
    texts : what stands in each column; "" for nothing
    """

    title: str
    effects: tuple[float, ...]
    texts: tuple[str, ...] = ()


def svg(lines: Sequence[Line], *, heads: Sequence[str]) -> bytes:
    """The `lines` with the strongest effects, strongest first.

    ▲ red raised the risk, ▼ blue lowered it; the darkest is the strongest effect of this example.

    Parameters
    ----------
    heads : over the columns, left to right
    """
    shown = sorted(lines, key=lambda line: -max(map(abs, line.effects)))[:_LINES]
    shown = [line for line in shown if any(line.effects)]
    most = max((abs(effect) for line in shown for effect in line.effects), default=1.0)
    width = _TITLE_PX + _CELL_PX * len(heads) + 10
    height = _HEAD_PX + _LINE_PX * len(shown) + 10
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" {_FONT}>',
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
        f'<text x="8" y="18">▲ red raised the risk, ▼ blue lowered it; the darkest by {most:.2f} '
        "of the logit</text>",
        *(_text(head, _TITLE_PX + _CELL_PX * (n + 0.5), 42) for n, head in enumerate(heads)),
    ]
    for number, line in enumerate(shown):
        parts += _line(line, _HEAD_PX + _LINE_PX * number, columns=len(heads), most=most)
    return "".join([*parts, "</svg>"]).encode()


def _line(line: Line, top: float, *, columns: int, most: float) -> list[str]:
    width = _CELL_PX * columns / len(line.effects)
    middle = top + _LINE_PX / 2 + 4
    parts = [f'<text x="8" y="{middle:g}">{escape(line.title)}</text>']
    for number, effect in enumerate(line.effects):
        left = _TITLE_PX + width * number
        parts.append(
            f'<rect x="{left:g}" y="{top:g}" width="{width - 2:g}" height="{_LINE_PX - 2}" '
            f'fill="{_colour(effect / most)}"><title>{effect:+.3f}</title></rect>'
        )
        text = f"{line.texts[number] if number < len(line.texts) else ''} {_sign(effect / most)}"
        if text := text.strip():
            pale = abs(effect) > most / 2
            parts.append(_text(text, left + width / 2 - 1, middle, pale=pale))
    return parts


def _sign(share: float) -> str:
    """For those who see no colours; nothing where there is next to none."""
    return "" if abs(share) < _SIGNED_MIN else "▲" if share > 0 else "▼"


def _text(text: str, x: float, y: float, *, pale: bool = False) -> str:
    fill = "#fff" if pale else "#222"
    return f'<text x="{x:g}" y="{y:g}" text-anchor="middle" fill="{fill}">{escape(text)}</text>'


def _colour(share: float) -> str:
    """From light grey at 0 to red at 1 and blue at -1."""
    end = _RAISED if share > 0 else _LOWERED
    mixed = (round(242 + (part - 242) * abs(share)) for part in end)
    return "#" + "".join(f"{part:02x}" for part in mixed)
