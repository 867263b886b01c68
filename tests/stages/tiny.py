"""A tiny question for the tests of ingest: payloads are JSON with a person in them.

`python tiny.py ROOT` ingests the table of ROOT in a process of its own, to be killed.
"""

from __future__ import annotations

import base64
import hashlib
import json
import sys
import time
from datetime import date
from pathlib import Path

from medpipe import config
from medpipe.columns import COMMON, Column
from medpipe.errors import UnreadableError
from medpipe.paths import Layout
from medpipe.sources.sample import Sample
from medpipe.sources.table import Table
from medpipe.stages.ingest import ingest
from medpipe.workload import Identity, Section, Workload

LABEL = Column("ill", "int", "label", low=0, high=1)
KEY = "a key that only the tests know!!"


class Tiny(Workload):
    """Bytes in, bytes out; `pause_s` in a payload makes it slow to read."""

    name = "tiny"
    title = "Nothing much"
    intended_use = not_for = "tests"
    columns = (
        *COMMON,
        Column("age_years", "float", "age", unit="years", low=0, high=120),
        Column("sex", "category", "sex", values=("F", "M")),
        Column("pixel_hash", "str", "digest of the pixels"),
        LABEL,
        Column("image", "bytes", "pixels"),
        Column("original", "bytes", "the file"),
    )
    label = LABEL.name
    objective = "binary"
    duplicate_column = "pixel_hash"
    encode_params = model_params = Section

    def synthesise(self, folder, *, patients, seed):
        (folder / "dicom").mkdir()
        rows = ["path,ill"]
        for number in range(patients):
            write(
                folder / "dicom" / f"{number:03d}.dcm",
                patient=str(number),
                pixels=[seed % 256, number],
            )
            rows.append(f"dicom/{number:03d}.dcm,{number % 2}")
        (folder / "labels.csv").write_text("\n".join(rows))

    def source(self, name, path, *, options):
        if name == "sample":
            return Sample(path)
        return Table(path, options, label=LABEL, columns=self.columns)

    def read(self, payload, *, limits):
        try:
            said = json.loads(payload)
        except ValueError:
            raise UnreadableError("not JSON") from None
        time.sleep(said.get("pause_s", 0))
        image = bytes(said["pixels"]) + base64.b64decode(said.get("more", ""))
        digest = hashlib.sha256(image).hexdigest()[:32]
        return {"age_years": said.get("age"), "pixel_hash": digest, "image": image}

    def identity(self, payload):
        said = json.loads(payload) if payload[:1] == b"{" else {}
        day = said.get("day")
        return Identity(said.get("patient"), said.get("site"), day and date.fromisoformat(day))

    def original(self, payload, *, pseudonymise):
        said = json.loads(payload)
        return json.dumps({"group": pseudonymise("group", said.get("patient", ""))}).encode()

    def fit(self, rows, params): ...

    def encode(self, row, state): ...

    def model(self, params, state): ...

    def draw(self, row, explanation): ...


class Signs(Tiny):
    """Two labels of one example; the table's options say in which column the second stands."""

    columns = (*Tiny.columns, Column("died", "int", "another label", low=0, high=1))
    labels = (LABEL.name, "died")
    objective = "multilabel"


def write(path: Path, **said) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(said), encoding="utf-8")


def bring(root: Path, workload: Workload | None = None, **sections):
    """Ingest into the project at `root`: from its table if there is one, else from the sample."""
    source = {"name": "table", "path": "list.csv", "options": {"patient": "mrn"}}
    if not (root / "list.csv").exists():
        source = {"name": "sample", "patients": 6}
    workload = workload or Tiny()
    params = config.parse({"source": source} | sections, workload)
    return ingest(workload, params, Layout(root, "tiny"))


if __name__ == "__main__":
    bring(Path(sys.argv[1]), ingest={"part_mib": 1, "threads": 1})
