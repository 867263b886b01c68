"""The commands of `medpipe.cli`, one module per subject."""

from __future__ import annotations

import json
import sys
from typing import Any

import click


def show(result: Any) -> None:
    """Print a command's result: JSON on stdout, so that commands pipe; indented for eyes only."""
    indent = 2 if sys.stdout.isatty() else None
    click.echo(json.dumps(result, indent=indent, ensure_ascii=False, default=str))
