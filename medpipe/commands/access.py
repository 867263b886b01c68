"""``medpipe keys``: who may ask the service."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import click

from medpipe.commands import show
from medpipe.errors import ParamsError
from medpipe.paths import Home
from medpipe.serving.access import keyfile
from medpipe.serving.access.keyfile import Key

_UNITS = {"d": "days", "h": "hours"}


@click.group()
def keys() -> None:
    """Add, list and revoke API keys of the service.

    They are kept, hashed, in .medpipe/keys/access.json, or in the file that MEDPIPE_ACCESS_KEYS
    names. A running service takes up a change within two seconds.
    """


@keys.command()
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    required=True,
    help="What it may do; several are allowed: answer:WORKLOAD, answer:*, papers, audit, "
    "feedback, or * for everything.",
)
@click.option("--expires", default="90d", show_default=True, help="After 90d, 12h, or never.")
@click.option("--rate", help="Most requests: 50/s, 600/min, 1000/h.  [default: the service's]")
@click.pass_obj
def add(root: Path, name: str, scopes: tuple[str, ...], expires: str, rate: str | None) -> None:
    """Make a key for NAME: the program or person that will hold it. Its secret is shown once.

    \b
    Example
      medpipe keys add pacs --scope answer:chest_xray --expires 90d
    """
    path = keyfile.place(Home(root))
    key, secret = keyfile.add(path, name, scopes=scopes, lifetime=_lifetime(expires), rate=rate)
    click.echo("This is the only time that the key is shown; only its hash is kept.", err=True)
    show({"key": secret, **_told(key)})


@keys.command(name="list")
@click.pass_obj
def list_keys(root: Path) -> None:
    """All keys, the revoked too: name, scopes, and when made, ending and last used."""
    path = keyfile.place(Home(root))
    uses = keyfile.uses(path)
    show([{**_told(key), "last_used": uses.get(key.id)} for key in keyfile.read(path)])


@keys.command()
@click.argument("key")
@click.pass_obj
def revoke(root: Path, key: str) -> None:
    """End KEY, given by its id or its name, now and for good.

    \b
    Example
      medpipe keys revoke pacs
    """
    show(_told(keyfile.revoke(keyfile.place(Home(root)), key)))


def _lifetime(text: str) -> timedelta | None:
    if text == "never":
        return None
    match = re.fullmatch(r"([1-9]\d{0,4})([dh])", text)
    if match is None:
        raise ParamsError(f"--expires takes 90d, 12h or never, not {text!r}")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


def _told(key: Key) -> dict[str, Any]:
    return key.model_dump(mode="json", exclude={"sha256"})
