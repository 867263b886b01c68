"""Ready: encoded arrays and their rows, one folder per side of the split.

    train/<input>.npy   (N, …) in the order of raw; read as a memory map
    train/rows.parquet  the same N rows: example, group, site, label, covariates
    state.json          what `Workload.fit` learned from train, and `Workload.encode` needs
    receipt.json        the receipt of the split
    params.json         sections `split` and `preprocess` as they were in force
    inputs.json         names of the inputs in the order of `Workload.encode`, which is that of the
                        network's arguments

Arrays are written row by row behind a header that already states N: memory does not grow with the
data, and a full disk is an error where a memory map would be killed by the kernel.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import numpy as np
import pandas as pd

from medpipe import files
from medpipe.errors import DataError, MissingStageError

_ROWS = "rows.parquet"
_INPUTS = "inputs.json"


class Ready:
    """What preprocess made of raw. Reads nothing before it is asked to.

    Parameters
    ----------
    folder : ``layout.ready``
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def arrays(self, split: str) -> dict[str, np.ndarray]:
        """Read-only memory maps by input name, (N, …) each, in the order of `Workload.encode`.

        None for a side without rows.
        """
        here = self._side(split)
        paths = {name: here / f"{name}.npy" for name in self._json(_INPUTS)}
        return {n: np.load(path, mmap_mode="r") for n, path in paths.items() if path.exists()}

    def frame(self, split: str) -> pd.DataFrame:
        """The N rows of `split`: raw without content, and the label once more as ``label``."""
        return pd.read_parquet(self._side(split) / _ROWS)

    @property
    def state(self) -> dict[str, Any]:
        content: dict[str, Any] = self._json("state.json")
        return content

    @property
    def receipt(self) -> dict[str, Any]:
        content: dict[str, Any] = self._json("receipt.json")
        return content

    @property
    def params(self) -> dict[str, Any]:
        content: dict[str, Any] = self._json("params.json")
        return content

    def _json(self, name: str) -> Any:
        return files.read_json(self.folder / name, made_by=self._made_by)

    def _side(self, split: str) -> Path:
        here = self.folder / split
        if not (here / _ROWS).is_file():
            raise MissingStageError(f"{here / _ROWS} is not there; run `{self._made_by}` first")
        return here

    @property
    def _made_by(self) -> str:
        return f"medpipe stage preprocess {self.folder.parent.name}"


class Appender:
    """A ``.npy`` file of known length that is written row by row.

    Parameters
    ----------
    path : the file
    rows : how many rows will come
    """

    def __init__(self, path: Path, rows: int) -> None:
        self.path = path
        self.rows = rows
        self._written = 0
        self._shape: tuple[int, ...] = ()
        self._dtype = np.dtype(np.uint8)
        self._file: BinaryIO | None = None

    def append(self, row: np.ndarray) -> None:
        """Add one row; the first one fixes shape and dtype of all.

        Raises
        ------
        DataError : the row's shape or dtype is not that of the first
        """
        if self._file is None:
            self._begin(row)
        elif (row.shape, row.dtype) != (self._shape, self._dtype):
            raise DataError(
                f"row {self._written} of {self.path.stem} is {row.dtype} {row.shape}, the first "
                f"one {self._dtype} {self._shape}; Workload.encode must give all rows the same"
            )
        assert self._file is not None
        self._file.write(np.ascontiguousarray(row).tobytes())
        self._written += 1

    def close(self) -> None:
        """Close the file; it may be short of rows."""
        if self._file is not None:
            self._file.close()

    def check(self) -> None:
        """Raise DataError where fewer or more rows came than the header says."""
        if self._written != self.rows:
            raise DataError(
                f"{self._written} rows came for {self.path.name} where {self.rows} were counted; "
                "raw changed while it was read: run preprocess again"
            )

    def _begin(self, row: np.ndarray) -> None:
        self._shape, self._dtype = row.shape, row.dtype
        self._file = self.path.open("wb")
        header = {
            "descr": np.lib.format.dtype_to_descr(row.dtype),
            "fortran_order": False,
            "shape": (self.rows, *row.shape),
        }
        np.lib.format.write_array_header_1_0(self._file, header)


class Writer:
    """Fills the folder of ready; used by preprocess only, inside `files.new_folder`.

    Parameters
    ----------
    folder : empty
    frames : every side and its rows, (N, columns), in the order in which their inputs will come;
        taken one after the other, so that they need not be held together
    """

    def __init__(self, folder: Path, frames: Iterable[tuple[str, pd.DataFrame]]) -> None:
        self._folder = folder
        self._counts: dict[str, int] = {}
        self._appenders: dict[tuple[str, str], Appender] = {}
        for side, frame in frames:
            (folder / side).mkdir()
            frame.to_parquet(folder / side / _ROWS, index=False)
            self._counts[side] = len(frame)

    def __enter__(self) -> Writer:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for appender in self._appenders.values():
            appender.close()
            if error is None:
                appender.check()
        if error is None:
            order = dict.fromkeys(name for _, name in self._appenders)
            files.write_json(self._folder / _INPUTS, list(order))

    def add(self, side: str, inputs: Mapping[str, np.ndarray]) -> None:
        """The encoded inputs of the next row of `side`."""
        for name, row in inputs.items():
            key = (side, name)
            if key not in self._appenders:
                path = self._folder / side / f"{name}.npy"
                self._appenders[key] = Appender(path, self._counts[side])
            self._appenders[key].append(row)


def seal(
    folder: Path, *, state: dict[str, Any], receipt: dict[str, Any], params: dict[str, Any]
) -> None:
    """Add to the arrays in `folder` what is known of them as a whole."""
    for name, content in (("state", state), ("receipt", receipt), ("params", params)):
        files.write_json(folder / f"{name}.json", content)
