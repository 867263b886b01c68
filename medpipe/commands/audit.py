"""``medpipe audit`` and ``trace``: what was answered, and from what."""

from __future__ import annotations

import getpass
import json
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import click

from medpipe.audit import place as places
from medpipe.audit import verify as checks
from medpipe.audit.record import CONTINUED, NOBODY, Entry, Link, name, told
from medpipe.commands import show


@click.group()
def audit() -> None:
    """The record of every answer: check it, look into it, find what was said of a file."""


@audit.command("verify")
@click.option(
    "--head",
    "heads",
    multiple=True,
    metavar="NUMBER:HASH",
    help="A head from the service's log that the record must still hold; may be repeated.",
)
@click.pass_obj
def verify(root: Path, heads: tuple[str, ...]) -> None:
    """Find records that were changed, removed or inserted, and name them by their number.

    The end is held against the head that this machine keeps, and against each --head. Exits with
    status 1 if anything is not as it was written.

    \b
    Example
      medpipe audit verify --head "$(grep -o 'audit head .*' service.log | tail -1 | cut -c12-)"
    """
    found = checks.verify(places.at(root), tuple(checks.head(text) for text in heads))
    show(found)
    if not found["whole"]:
        raise SystemExit(1)


@audit.command("show")
@click.option("--last", type=click.IntRange(1), default=20, show_default=True, help="Records.")
@click.pass_obj
def show_last(root: Path, last: int) -> None:
    """Print the last records, the newest at the end.

    \b
    Example
      medpipe audit show --last 5
    """
    with places.reading(root) as (_, store):
        show([told(record) for record in store.last(last)])


@audit.command("find")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.pass_obj
def find(root: Path, file: Path) -> None:
    """Print what was said of FILE, which must be, byte for byte, what was sent.

    The record holds no image and no name, only a keyed digest: whoever has the file and the key
    finds its answers.

    \b
    Example
      medpipe audit find film.dcm
    """
    with places.reading(root) as (chain, store):
        digest = chain.input_digest(file.read_bytes())
        show([told(record) for record in store.of_input(digest)])


@audit.command("continue")
@click.pass_obj
def go_on(root: Path) -> None:
    """Accept that records are lost, and let the service answer again.

    For when an older copy of the record had to be put back. What is lost, and who accepted it, is
    recorded in the record itself.
    """

    def lost(end: Link, seen: Link) -> Entry:
        said = {"continued_after": str(end), "lost_up_to": str(seen)}
        return Entry(
            answer_id=str(uuid4()),
            at=datetime.now(UTC).isoformat(timespec="milliseconds"),
            asked_by=name(getpass.getuser()),
            standard="medpipe audit continue",
            workload=NOBODY,
            version=None,
            certificate=None,
            input=None,
            status=CONTINUED,
            answer=json.dumps(said),
            latency_ms=0.0,
        )

    place = places.at(root)
    store = place.store(place.chain(create=False))
    try:
        show({"head": str(store.go_on(lost))})
    finally:
        store.close()


@click.command()
@click.argument("answer_id")
@click.option(
    "--patients", is_flag=True, help="Name the pseudonyms of train and val, not only their number."
)
@click.pass_obj
def trace(root: Path, answer_id: str, patients: bool) -> None:
    """Say what the answer ANSWER_ID was made from: model, run, commit, data, split.

    Goes by the record, the signed certificate and what lies on this machine and in its registry,
    and says plainly what cannot be found. For a person on stderr, as JSON on stdout.

    \b
    Example
      medpipe trace 0b0cf2b6-7c0e-4f43-9f3b-6a3b4e6a3f10 --patients
    """
    from medpipe import trace as lineage  # delayed: MLflow and pandas, which `audit` does without

    found = lineage.trace(answer_id, root, patients=patients)
    click.echo("\n".join(lineage.words(found)), err=True)
    show(found)
