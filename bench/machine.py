"""What the figures were measured on: the last line of every bench."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from pathlib import Path


def line(*packages: str) -> str:
    """Processor, cores, load, Python, and the versions of `packages`, in one line."""
    described = Path("/proc/cpuinfo")
    lines = described.read_text().splitlines() if described.is_file() else []
    names = [text.partition(":")[2].strip() for text in lines if text.startswith("model name")]
    versions = [f"{package} {importlib.metadata.version(package)}" for package in packages]
    return ", ".join(
        [
            names[0] if names else platform.machine(),
            f"{len(os.sched_getaffinity(0))} cores",
            f"load {os.getloadavg()[0]:.1f}",
            f"Python {platform.python_version()}",
            *versions,
        ]
    )


if __name__ == "__main__":
    print(line())
