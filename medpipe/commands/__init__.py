"""The commands of `medpipe.cli`, one module per subject."""

from __future__ import annotations

import json
from typing import Any

import click


def show(result: Any) -> None:
    """Print a command's result: JSON on stdout, so that commands pipe."""
    click.echo(json.dumps(result, indent=2, ensure_ascii=False, default=str))
