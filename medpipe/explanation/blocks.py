"""The map of an example with series: each series in each block of hours, and each descriptor.

The parts that `medpipe.nn.occlusion` hides one after the other, their words, and their drawing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from medpipe.columns import Column
from medpipe.explanation import heat_map
from medpipe.records import hourly
from medpipe.workload import Picture, Reason, Row


@dataclass(frozen=True)
class Blocks:
    """Blocks of hours × series, the first block's series first; then the descriptors.

    Parameters
    ----------
    series : in the order of the network's input
    descriptors : by name, where each stands in the network's input of descriptors
    columns : of the descriptors
    hours : that are looked at, T
    block_h : hours that are hidden together; divides `hours`
    """

    series: tuple[Column, ...]
    columns: tuple[Column, ...]
    descriptors: Mapping[str, slice]
    hours: int
    block_h: int

    @property
    def number(self) -> int:
        """Of blocks."""
        return self.hours // self.block_h

    @property
    def cells(self) -> int:
        return self.number * len(self.series)

    @property
    def parts(self) -> int:
        """P, the length of the map."""
        return self.cells + len(self.columns)

    def shown(self) -> tuple[np.ndarray, np.ndarray]:
        """For descriptors (P, D) and series (P, T, V): False where a part is hidden."""
        width = max(place.stop for place in self.descriptors.values())
        descriptors = np.ones((self.parts, width), bool)
        series = np.ones((self.parts, self.hours, len(self.series)), bool)
        for part in range(self.cells):
            block, place = divmod(part, len(self.series))
            series[part, block * self.block_h : (block + 1) * self.block_h, place] = False
        for part, column in enumerate(self.columns, start=self.cells):
            descriptors[part, self.descriptors[column.name]] = False
        return descriptors, series

    def reasons(self, row: Row, effects: np.ndarray) -> Iterator[Reason]:
        """Every part that was stated, with its effect (P,)."""
        for part in np.flatnonzero(effects[: self.cells]):
            block, place = divmod(int(part), len(self.series))
            column, start = self.series[place], block * self.block_h
            what = f"{_words(column)}, hours {start}–{start + self.block_h}"
            value = f"{self._mean(row, column, block)} {column.unit}".strip()
            yield Reason(what, value, float(effects[part]))
        for column, effect in zip(self.columns, effects[self.cells :], strict=True):
            value = row[column.name]
            if value is not None:
                stated = value if isinstance(value, str) else f"{value:g} {column.unit}".strip()
                yield Reason(_words(column), stated, float(effect))

    def picture(self, row: Row, effects: np.ndarray) -> Picture:
        """Series × blocks of hours and descriptors, coloured by `effects` (P,)."""
        by_series = effects[: self.cells].reshape(self.number, len(self.series)).T
        lines = [
            heat_map.Line(
                _title(column),
                tuple(float(effect) for effect in of_blocks),
                tuple(self._mean(row, column, block) for block in range(self.number)),
            )
            for column, of_blocks in zip(self.series, by_series, strict=True)
            if of_blocks.any()
        ]
        lines += [
            heat_map.Line(_title(column), (float(effect),), (_number(row[column.name]),))
            for column, effect in zip(self.columns, effects[self.cells :], strict=True)
        ]
        heads = [f"{h}–{h + self.block_h} h" for h in range(0, self.hours, self.block_h)]
        return Picture("image/svg+xml", heat_map.svg(lines, heads=heads))

    def _mean(self, row: Row, column: Column, block: int) -> str:
        """The mean of what was measured in a block of hours, to three digits; "" for nothing."""
        found = hourly.usable(row[column.name], column)
        hour = np.minimum(found[:, 0] // self.block_h, self.number - 1)
        here = found[hour == block, 1]
        return f"{float(here.mean()):.4g}" if len(here) else ""


def _number(value: object) -> str:
    """A number to four digits; "" for anything else."""
    return f"{value:.4g}" if isinstance(value, (int, float)) else ""


def _words(column: Column) -> str:
    return column.meaning.partition(";")[0]


def _title(column: Column) -> str:
    return f"{_words(column)}, {column.unit}" if column.unit else _words(column)
