"""The champion as the record names it, and the aliases and the release folder that follow.

The registry keeps every release that was ever allowed, each under the digest of its certificate, so
that a champion can be fetched, verified and put back long after another took its place.
"""

from __future__ import annotations

import logging
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from medpipe import certificate, files, keys, probation, tracking
from medpipe.errors import CertificateError
from medpipe.paths import Layout
from medpipe.probation import Stated
from medpipe.promotion import record
from medpipe.promotion.record import Held, Ledger, OnProbation, Record

_FILES = (*certificate.COVERED, certificate.FILE)
_PLACE_DIGITS = 16
"""Of a certificate's digest, as the name of its release in the registry."""
_log = logging.getLogger(__name__)


@contextmanager
def scratch() -> Iterator[Path]:
    """An empty folder that is gone afterwards."""
    with (
        files.explained(Path(tempfile.gettempdir())),
        tempfile.TemporaryDirectory(prefix="medpipe-") as folder,
    ):
        yield Path(folder)


def keep(layout: Layout, held: Held, folder: Path) -> None:
    """Put the release in `folder` into the registry; the version has the model already."""
    with scratch() as rest:
        for name in _FILES:
            if name != "model.onnx":
                shutil.copyfile(folder / name, rest / name)
        tracking.attach(layout, held.version, _place(held), rest)


@contextmanager
def fetched(layout: Layout, held: Held) -> Iterator[Path]:
    """A passing folder with the release `held`, out of the registry and verified."""
    with scratch() as folder:
        tracking.download(layout, held.version, _place(held), folder)
        try:
            _verify(layout, held, folder)
        except CertificateError as error:
            raise CertificateError(
                f"the registry's version {held.version} is not what the gate allowed: {error}"
            ) from None
        yield folder


@contextmanager
def released(layout: Layout, version: str, digest: str) -> Iterator[Path]:
    """A passing folder with what was released as `version` under the certificate `digest`.

    It is as the registry has it: not verified, and of no effect on what is champion.

    Raises
    ------
    TrackingError : the registry has no such release
    """
    with scratch() as folder:
        tracking.download(layout, version, digest[:_PLACE_DIGITS], folder)
        yield folder


@contextmanager
def in_turn(layout: Layout, *, settle: bool) -> Iterator[tuple[Record | None, list[str]]]:
    """The record in force, for the one who may write the next, and what was found out of place.

    Parameters
    ----------
    settle : whether everything is made to follow it first

    Raises
    ------
    CertificateError : there is a record, and it is not genuine
    """
    with files.locked(layout.record.with_suffix(".lock")):
        ledger = record.in_force(layout)
        yield ledger.record, [*ledger.problems, *(settled(layout, ledger) if settle else [])]


def settled(layout: Layout, ledger: Ledger) -> list[str]:
    """Make everything follow the record; gives what was out of place, in words."""
    if ledger.record is None or ledger.signed is None:
        return misplaced(layout, None)
    found = misplaced(layout, ledger.record)
    if found or ledger.problems:
        # Raises in a registry that never saw this champion, before anything is written to it.
        tracking.version_tags(layout, ledger.record.champion.version)
    record.mend(layout, ledger.signed)
    if found:
        follow(layout, ledger.record)
    for note in found:
        _log.warning("%s: %s; set right by the signed record", layout.workload, note)
    return [f"{note}; set right by the signed record" for note in found]


def misplaced(layout: Layout, held: Record | None) -> list[str]:
    """What does not follow the record, in words; empty where everything does."""
    found = []
    for name, version in _aliases(held).items():
        points_at = tracking.alias(layout, name)
        if points_at != version:
            says = f"the signed record says {version or 'none'}"
            found.append(
                f"alias {name} points at {points_at or 'nothing'}, but {says}: it was moved by "
                "hand, or a promotion was interrupted"
            )
    if held is None:
        return found
    if (why := _misfit(layout, held.champion, layout.champion)) is not None:
        found.append(f"the release folder does not fit: {why}")
    if held.probation is not None:
        beside = held.probation.held
        why = _misfit(layout, beside, layout.probation, stated=_stated(held, held.probation))
        if why is not None:
            found.append(f"the folder of the model on probation does not fit: {why}")
    elif layout.probation.exists():
        found.append(f"{layout.probation} holds a model, but the signed record has none there")
    return found


def follow(layout: Layout, held: Record, at_hand: Path | None = None) -> None:
    """Aliases and folders as the record says; what is right already is left alone.

    Parameters
    ----------
    at_hand : verified, of the release that this record brings in: spares a second download
    """
    _put(layout, held.champion, layout.champion, at_hand)  # first: the service waits for it
    if held.probation is None:
        shutil.rmtree(layout.probation, ignore_errors=True)
    else:
        stated = _stated(held, held.probation)
        _put(layout, held.probation.held, layout.probation, at_hand, stated=stated)
    for name, version in _aliases(held).items():
        if tracking.alias(layout, name) != version:
            tracking.set_alias(layout, name, version)


def _put(
    layout: Layout,
    held: Held,
    target: Path,
    at_hand: Path | None,
    stated: Stated | None = None,
) -> None:
    """The release `held` into `target`, with what is `stated` of it, unless it is there."""
    if _misfit(layout, held, target, stated=stated) is None:
        return
    if at_hand is None or _misfit(layout, held, at_hand) is not None:
        with fetched(layout, held) as folder:
            _put(layout, held, target, folder, stated)
        return
    with files.new_folder(target) as partial:
        for name in _FILES:
            shutil.copyfile(at_hand / name, partial / name)
        if stated is not None:
            signed = probation.signed(stated, keys.signing_key(layout.home))
            files.write_json(partial / probation.FILE, signed)


def _misfit(
    layout: Layout, held: Held, folder: Path, *, stated: Stated | None = None
) -> str | None:
    """Why `folder` is not the release `held`, with what is `stated` of it; None where it is."""
    try:
        _verify(layout, held, folder)
        if stated is not None and probation.read(folder, keys.trusted(layout.home)) != stated:
            raise CertificateError(f"{folder / probation.FILE} is not what the record says")
    except CertificateError as error:
        return str(error)
    return None


def _stated(held: Record, begun: OnProbation) -> Stated:
    """What the folder of the model on probation says of it."""
    beside = held.champion.certificate
    return Stated(held.workload, begun.held.certificate, beside, begun.terms)


def _verify(layout: Layout, held: Held, folder: Path) -> None:
    signed = certificate.read(folder)
    if certificate.digest(signed) != held.certificate:
        raise CertificateError(
            f"{folder / certificate.FILE} is of version {signed.get('version')}, but the promotion "
            f"record says version {held.version}; run `medpipe promote {layout.workload}`"
        )
    certificate.verify(signed, folder, keys.trusted(layout.home))


def _place(held: Held) -> str:
    return held.certificate[:_PLACE_DIGITS]


def _aliases(held: Record | None) -> dict[str, str | None]:
    if held is None:
        return {"champion": None, "previous": None, "probation": None}
    previous = held.previous.version if held.previous else None
    beside = held.probation.held.version if held.probation else None
    return {"champion": held.champion.version, "previous": previous, "probation": beside}
