"""What a source may say of its files without opening them."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path


def below(folder: Path, suffixes: tuple[str, ...]) -> Iterator[Path]:
    """Files under `folder` with one of `suffixes` (lower case), by name, folder after folder.

    Hidden files are left out: file systems and archives leave them behind (``._image.dcm``).
    """
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            if entry.name.startswith("."):
                continue
            if entry.is_dir():
                yield from below(Path(entry.path), suffixes)
            elif entry.name.lower().endswith(suffixes):
                yield Path(entry.path)


def fingerprint(path: Path, *said: object) -> str:
    """Changes when the file is written anew, or when what the source says of it changes."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return f"absent {said!r}"
    return f"{status.st_size} {status.st_mtime_ns} {said!r}"


def found(folder: Path) -> str:
    """What lies in `folder`, for an error message: kinds and counts; names may identify."""
    if not folder.exists():
        return "no such folder"
    if not folder.is_dir():
        return "a file"
    kinds = Counter(
        "folders" if path.is_dir() else f"{path.suffix.lower() or 'other'} files"
        for path in folder.iterdir()
    )
    return ", ".join(f"{count} {kind}" for kind, count in kinds.most_common(6)) or "nothing"
