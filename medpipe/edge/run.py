"""Answers for one example, with numpy and ONNX Runtime alone.

    python run.py FILE...

prints one line of JSON for each file (an image, or a record as JSON) with the fields that the
service answers with. Before the first, everything in this folder is held against what the gate's
key signed; a folder that does not fit answers nothing. Exit status 0: all answered; 1: some file
could not be; 2: the folder is not to be trusted.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import importlib.abc
import importlib.machinery
import json
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from types import ModuleType
from typing import Any

HERE = Path(__file__).resolve().parent
STATEMENT, CERTIFICATE, KEY = "edge.json", "certificate.json", "gate.pub"
NOT_SIGNED = frozenset({STATEMENT, KEY})


class NotTrustedError(Exception):
    """The folder is not what was signed; the text says what does not fit."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Answer for each file named; gives the exit status."""
    parser = argparse.ArgumentParser(description="Answer for images or records.")
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE")
    parser.add_argument("--key", help="the gate's public key, 64 hexadecimal digits [gate.pub]")
    parser.add_argument("--threads", type=int, default=1, help="of ONNX Runtime [1]")
    parser.add_argument("--time", type=int, metavar="N", help="answer N times and print ms")
    asked = parser.parse_args(arguments)
    sys.dont_write_bytecode = True  # the folder stays what was signed
    started = time.perf_counter()
    try:
        runner = Runner(HERE, asked.key, threads=asked.threads)
    except NotTrustedError as error:
        print(f"run.py: {error}", file=sys.stderr)
        return 2
    start_s = time.perf_counter() - started
    if asked.time:
        print(json.dumps({"start_s": round(start_s, 3), **timed(runner, asked.files, asked.time)}))
        return 0
    return 0 if all([_answered(runner, path) for path in asked.files]) else 1


def _answered(runner: Runner, path: Path) -> bool:
    from medpipe.errors import MedpipeError

    try:
        found, good = runner.answer(path.read_bytes()), True
    except MedpipeError as error:
        found, good = {"error": str(error)}, False
    except OSError as error:  # without the file's name, which may be a patient's
        found, good = {"error": f"the file cannot be read ({error.strerror})"}, False
    print(json.dumps(found, ensure_ascii=False), flush=True)
    return good


def timed(runner: Runner, paths: Sequence[Path], count: int) -> dict[str, Any]:
    """Median and 95th percentile, ms, of `count` answers to `paths` in turn, from bytes to JSON."""
    import numpy as np

    payloads, times = [path.read_bytes() for path in paths], []
    for number in range(count + 3):  # the first fill caches
        started = time.perf_counter()
        json.dumps(runner.answer(payloads[number % len(payloads)]))
        times.append(1000 * (time.perf_counter() - started))
    p50, p95 = np.percentile(times[3:], [50, 95])
    return {"p50": round(float(p50), 3), "p95": round(float(p95), 3), "runs": count}


class Runner:
    """A folder whose signatures and digests fit, ready to answer.

    Parameters
    ----------
    key : hexadecimal public key that must have signed; None: that in ``gate.pub``, which proves
        the folder whole, but not whose it is
    """

    def __init__(self, folder: Path, key: str | None, *, threads: int) -> None:
        check_files(folder)  # before any code of the folder but this file runs
        _open_imports(folder)
        self.certificate = check_signatures(folder, key)
        import onnxruntime as ort  # after medpipe, which turns its telemetry off

        from medpipe import objectives, workloads
        from medpipe.serving.wording import Limit

        self.settings = _json(folder / "settings.json")
        self.state = _json(folder / "state.json")
        self.workload = workloads.get(self.settings["workload"])
        self.objective = objectives.of(self.workload)
        self.point = self.objective.point(self.settings)
        familiar, refuses = self.settings["familiar"], self.settings["serve"].get("abstain")
        self.limit = Limit(familiar["distance"], familiar["share"], refuses == "refuse")
        serve = self.settings["serve"]
        own = self.settings["limits"]
        most = serve.get("max_pixels", own.get("max_pixels"))
        self.limits = {**own, "max_pixels": min(most, own.get("max_pixels", most))}
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        self.session = ort.InferenceSession(
            (folder / "model.onnx").read_bytes(), options, providers=["CPUExecutionProvider"]
        )

    def answer(self, payload: bytes) -> dict[str, Any]:
        """What the service answers, but for its id, its duration and the explanation.

        Raises
        ------
        UnreadableError, RequestError : the payload cannot be answered; the text says why
        """
        from medpipe.errors import UnreadableError
        from medpipe.records import record
        from medpipe.serving.wording import said

        workload = self.workload
        content = payload if workload.payload == "file" else record.parsed(payload, workload)
        row, inputs = workload.request(content, self.state, limits=self.limits)
        if (reason := workload.excluded(row)) is not None:
            raise UnreadableError(reason, fault="content")
        logit, distance = self.session.run(
            ["logit", "distance"], {name: array[None] for name, array in inputs.items()}
        )
        return {
            "workload": workload.name,
            **said(
                logit[0],
                float(distance[0]),
                objective=self.objective,
                point=self.point,
                limit=self.limit,
                cautions=workload.cautions(row, self.state),
            ),
            "model_version": str(self.settings["version"]),
            "certificate_sha256": hashlib.sha256(canonical(self.certificate)).hexdigest(),
            "intended_use": workload.intended_use,
        }


def check_files(folder: Path) -> None:
    """Hold every file of `folder` against edge.json; raises NotTrustedError, naming one."""
    listed = _json(folder / STATEMENT)["files"]
    found = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
    if odd := sorted(found ^ listed.keys() - NOT_SIGNED):
        odd = [name for name in odd if name not in NOT_SIGNED]
        if odd:
            word = "is missing" if odd[0] in listed else "was put into the folder"
            raise NotTrustedError(f"{odd[0]} {word}; make it anew with `medpipe export --edge`")
    for name, digest in listed.items():
        if hashlib.sha256((folder / name).read_bytes()).hexdigest() != digest:
            raise NotTrustedError(
                f"{name} has changed since it was signed; make it anew with `medpipe export --edge`"
            )


def check_signatures(folder: Path, key: str | None) -> dict[str, Any]:
    """The release's certificate, after both signatures. Raises NotTrustedError."""
    from medpipe.edge.ed25519 import fits

    trusted = (key or (folder / KEY).read_text(encoding="utf-8")).strip()
    statement, certificate = _json(folder / STATEMENT), _json(folder / CERTIFICATE)
    for name, signed in ((STATEMENT, statement), (CERTIFICATE, certificate)):
        content = {field: value for field, value in signed.items() if field != "signature"}
        try:
            signature = bytes.fromhex(signed["signature"])
            good = fits(bytes.fromhex(trusted), canonical(content), signature)
        except (KeyError, ValueError):
            good = False
        if not (good and signed.get("public_key") == trusted):
            raise NotTrustedError(f"{name} was not signed by {trusted[:16]}…, or changed since")
    if statement["certificate"] != hashlib.sha256(canonical(certificate)).hexdigest():
        raise NotTrustedError(f"{STATEMENT} is about another certificate than {CERTIFICATE}")
    covered = {n: d for n, d in certificate["digests"].items() if n != "model.onnx"}
    for name, digest in {**covered, **certificate["code"]}.items():
        if statement["files"].get(name) != digest:
            raise NotTrustedError(f"{name} is not the file that the certificate covers")
    expires = certificate["expires"]
    if expires is not None and datetime.now(timezone.utc) >= datetime.fromisoformat(expires):  # noqa: UP017
        raise NotTrustedError(
            f"the certificate expired on {expires}; let the gate judge the model anew"
        )
    return certificate


def canonical(value: Mapping[str, Any]) -> bytes:
    """The one way of writing JSON that signatures and digests are made of."""
    text = json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )
    return text.encode("utf-8")


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise NotTrustedError(f"{path.name} cannot be read ({type(error).__name__})") from None
    if not isinstance(found, dict):
        raise NotTrustedError(f"{path.name} holds no JSON object")
    return found


def _open_imports(folder: Path) -> None:
    """Ours first, stand-ins behind all that is installed, and pydicom last, as absent."""
    # Where medpipe is installed, Python may have begun to load that one: the signed one is ours.
    for name in [name for name in sys.modules if name.partition(".")[0] == "medpipe"]:
        del sys.modules[name]
    sys.path.insert(0, str(folder))
    sys.path.append(str(folder / "standins"))
    sys.meta_path.append(_Absent())


class _Absent(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """pydicom where it is not installed: it can be imported, and what is used of it says so."""

    def find_spec(self, name: str, path: Any, target: Any = None) -> Any:
        if name.partition(".")[0] != "pydicom":
            return None
        return importlib.machinery.ModuleSpec(name, self, is_package=True)

    def create_module(self, spec: Any) -> ModuleType:
        return _AbsentModule(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        pass


class _AbsentModule(ModuleType):
    """Any of its names is `_Missing`."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Missing


class _Use(type):
    """What a name of pydicom does where there is none: nothing at import, an error in use."""

    def __iter__(cls) -> Any:
        return iter(())

    def __getattr__(cls, name: str) -> Any:
        return cls

    def __call__(cls, *arguments: Any, **_: Any) -> Any:
        if arguments and isinstance(arguments[0], str):  # Tag("PixelData"): a constant
            return cls
        from medpipe.errors import UnreadableError

        raise UnreadableError(
            "DICOM files need pydicom, which is not on this machine; install it (pip install "
            "pydicom), or send the image as PNG",
            fault="coding",
        )


class _Missing(Exception, metaclass=_Use):  # noqa: N818 - never raised; it may stand in an `except`
    """Any name of pydicom."""


if __name__ == "__main__":
    sys.exit(main())
