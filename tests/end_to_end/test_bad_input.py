"""What hospitals really send: each fault is refused, counted, explained, and the rest goes on."""

from __future__ import annotations

import csv
import io
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
import quick_project
from PIL import Image
from quick_project import WORKLOAD

from medpipe import stages
from medpipe.errors import DataError, ParamsError, SourceError
from medpipe.paths import Layout
from medpipe.synthetic import sample

OPTIONS = {"path": "Datei", "label": "Befund", "patient": "Nr", "images": "Aufnahmen März 2024"}


@pytest.fixture(scope="module")
def films(tmp_path_factory) -> list[bytes]:
    """Whole files of invented patients."""
    folder = tmp_path_factory.mktemp("films")
    sample.write(folder, patients=12, seed=5)
    return [path.read_bytes() for path in sorted(folder.rglob("*.dcm")) if path.stat().st_size]


class Ward:
    """A project in a folder that an English programmer would not think of, and its own table."""

    def __init__(self, folder: Path, **changes: dict) -> None:
        self.root = folder / "Röntgen Süd 胸部" / "mein Projekt"
        self.source = self.root / "Quelle Nr. 1"
        (self.source / OPTIONS["images"]).mkdir(parents=True)
        source = {"name": "table", "path": "Quelle Nr. 1/Übersicht.csv", "options": OPTIONS}
        quick_project.set_params(self.root, {"source": source, **changes})
        self.rows: list[tuple[str, object, str]] = []

    def add(self, name: str, data: bytes | None, *, label: object = 0, patient: str = "") -> None:
        if data is not None:
            (self.source / OPTIONS["images"] / name).write_bytes(data)
        self.rows.append((name, label, patient or f"p-{len(self.rows)}"))

    def ingest(self) -> dict:
        with (self.source / "Übersicht.csv").open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([("Datei", "Befund", "Nr"), *self.rows])
        return stages.run("ingest", WORKLOAD, root=self.root)


def png(width: int, height: int) -> bytes:
    buffer = io.BytesIO()
    noise = np.arange(width * height, dtype=np.uint32).reshape(height, width) % 251
    Image.fromarray(noise.astype(np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def huge_png() -> bytes:
    """A PNG whose header says 20,000 × 20,000; decoding it would take 400 MB."""
    whole = png(1, 1)
    header = b"IHDR" + (20_000).to_bytes(4, "big") * 2 + whole[24:29]
    return whole[:12] + header + zlib.crc32(header).to_bytes(4, "big") + whole[33:]


def changed(data: bytes, change: Callable[[pydicom.Dataset], object]) -> bytes:
    dataset = pydicom.dcmread(io.BytesIO(data))
    change(dataset)
    buffer = io.BytesIO()
    dataset.save_as(buffer)
    return buffer.getvalue()


def without_pixels(film: pydicom.Dataset) -> None:
    del film.PixelData


def of_20_000_squared(film: pydicom.Dataset) -> None:
    film.Rows = film.Columns = 20_000


REFUSED = {
    "gone": (lambda film: None, "the file that the source names is not there"),
    "zero_byte": (lambda film: b"", "the file is empty (0 bytes)"),
    "not_an_image": (
        lambda film: b"PK\3\4 a letter to the GP",
        "DICOM (with 'DICM' at byte 128), PNG and JPEG are",
    ),
    "truncated": (lambda film: film[: len(film) // 2], "fewer than the header says"),
    "truncated_png": (lambda film: png(200, 200)[:900], "cut"),
    "without_pixels": (lambda film: changed(film, without_pixels), "no pixel"),
    "one_pixel": (lambda film: png(1, 1), "1 × 1"),
    "huge_png": (lambda film: huge_png(), "20000 × 20000 px is more than max_pixels"),
    "huge_dicom": (lambda film: changed(film, of_20_000_squared), "20000 × 20000"),
}


@pytest.mark.parametrize("fault", REFUSED)
def test_a_file_that_cannot_be_used_is_refused_with_a_reason_and_the_rest_goes_on(
    fault, films, tmp_path
):
    make, reason = REFUSED[fault]
    ward = Ward(tmp_path, ingest={"quarantine_share": 0.5})
    for number, film in enumerate(films[:3]):
        ward.add(f"Müller {number}.dcm", film, label=number % 2)
    ward.add("Bild.dcm", make(films[3]))
    outcome = ward.ingest()
    (told,) = outcome["quarantined"]
    assert reason in told
    assert "Bild" not in told
    assert outcome["examples"] == 3
    assert "Bild.dcm" in Layout(ward.root, WORKLOAD).quarantine.read_text("utf-8")


def test_a_film_without_a_label_is_refused_and_counted(films, tmp_path):
    ward = Ward(tmp_path, ingest={"quarantine_share": 0.5})
    ward.add("a.dcm", films[0], label=1)
    ward.add("b.dcm", films[1], label="")
    assert ward.ingest()["quarantined"] == {"no label": 1}


def test_a_label_outside_the_set_stops_with_its_row(films, tmp_path):
    ward = Ward(tmp_path)
    ward.add("a.dcm", films[0], label=1)
    ward.add("b.dcm", films[1], label="pneumonia?")
    with pytest.raises(SourceError, match=r"row 3: pneumonia is 'pneumonia\?'; allowed: 0 or 1"):
        ward.ingest()


def test_a_film_under_another_name_is_a_duplicate(films, tmp_path):
    ward = Ward(tmp_path, ingest={"quarantine_share": 0.0})
    ward.add("a.dcm", films[0], patient="p")
    ward.add("Kopie von a (2).dcm", films[0], patient="p")
    outcome = ward.ingest()
    assert outcome["quarantined"] == {"duplicate": 1}
    assert outcome["examples"] == 1


def test_an_empty_table_says_so(tmp_path):
    with pytest.raises(SourceError, match=r"source table offers nothing; check source\.path"):
        Ward(tmp_path).ingest()


@pytest.mark.parametrize(
    ("of", "message"),
    [
        ({"label": lambda n: 1}, r"one class only \(0: 0, 1: 20\); ingest more"),
        ({"patient": lambda n: "p"}, "all examples belong to one patient; ingest more"),
        ({"again": True}, "the same content never has two labels"),
    ],
    ids=["one class", "one patient", "contradictory labels"],
)
def test_data_that_cannot_teach_stop_before_training(of, message, films, tmp_path):
    ward = Ward(tmp_path, validate={"min_examples": 4, "min_groups": 4, "min_per_class": 2})
    for number, film in enumerate(films):
        said = {name: make(number) for name, make in of.items() if name != "again"}
        ward.add(f"{number}.dcm", film, **{"label": number % 2, **said})
    if of.get("again"):
        ward.add("again.dcm", films[0], label=1, patient="p-0")
    ward.ingest()
    with pytest.raises(DataError, match=message):
        stages.run("validate", WORKLOAD, root=ward.root)


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"source": {"patient": 3}}, "source.patient is not a parameter; did you mean patients"),
        ({"train": {"epochs": "many"}}, "train.epochs is 'many'"),
        ({"ingest": {"quarantine_share": 2}}, "less than or equal to 1"),
        (
            {"source": {"name": "pacs", "path": "x"}},
            "chest_xray reads sample, kermany, rsna, table",
        ),
        ({"model": {"architecture": "resnet19"}}, "'resnet18'"),
        ({"augment": {"rotate": 3}}, "did you mean rotate_deg"),
    ],
)
def test_a_wrong_parameter_stops_before_anything_is_read(section, message, tmp_path):
    quick_project.set_params(tmp_path, section)
    with pytest.raises(ParamsError, match=message):
        stages.run("ingest", WORKLOAD, root=tmp_path)
    assert not (tmp_path / "data" / WORKLOAD / "raw").exists()
