"""The invented patients: the same for one seed, identifiable-looking, and awkward on purpose."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread

from medpipe.errors import UnreadableError
from medpipe.io import dicom, image
from medpipe.synthetic import people, sample

LIMITS = {"max_side_px": 512, "min_side_px": 32, "max_pixels": 10**8}
PATIENTS = 40


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("sample")
    sample.write(made, patients=PATIENTS, seed=3)
    return made


@pytest.fixture(scope="module")
def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "labels.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def headers(folder: Path, rows: list[dict[str, str]]) -> list:
    whole = []
    for row in rows:
        data = (folder / row["path"]).read_bytes()
        try:
            image.kind(data)
            dicom.read(data, limits=LIMITS)
        except UnreadableError:
            continue
        whole.append(dcmread(folder / row["path"], stop_before_pixels=True))
    return whole


def test_labels_name_every_file_once(folder: Path, rows: list[dict[str, str]]) -> None:
    assert list(rows[0]) == ["path", "pneumonia"]
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*.dcm")}
    assert sorted(files) == sorted(row["path"] for row in rows)
    assert {row["pneumonia"] for row in rows} == {"0", "1"}


def test_one_seed_gives_the_same_bytes_and_another_gives_others(tmp_path: Path) -> None:
    for name, seed in [("a", 1), ("b", 1), ("c", 2)]:
        sample.write(tmp_path / name, patients=3, seed=seed)
    a, b, c = (
        {p.relative_to(tmp_path / name): p.read_bytes() for p in (tmp_path / name).rglob("*.*")}
        for name in "abc"
    )
    assert a == b
    assert a != c


def test_more_patients_leave_the_first_ones_unchanged(folder: Path, tmp_path: Path) -> None:
    sample.write(tmp_path, patients=2, seed=3)
    for path in tmp_path.rglob("*.dcm"):
        assert path.read_bytes() == (folder / path.relative_to(tmp_path)).read_bytes()


def test_nearly_every_file_is_readable(headers: list, rows: list[dict[str, str]]) -> None:
    assert 0.9 * len(rows) < len(headers) <= len(rows)
    assert len({header.PatientID for header in headers}) == PATIENTS


def test_units_codings_depths_and_polarities_all_occur(headers: list) -> None:
    def seen(keyword: str) -> set:
        return {getattr(header, keyword) for header in headers}

    assert seen("Modality") == {"CR", "DX"}
    assert seen("PhotometricInterpretation") == {"MONOCHROME1", "MONOCHROME2"}
    assert seen("BitsStored") == {8, 12, 16}
    assert seen("ViewPosition") == {"PA", "AP"}
    assert len({header.file_meta.TransferSyntaxUID for header in headers}) == 4


def test_header_identifies_its_patient_in_many_places(headers: list) -> None:
    header = headers[0]
    family, given = str(header.PatientName).split("^")
    assert family in header.StudyDescription
    assert header[0x0009, 0x1001].value == f"{given} {family}"
    for keyword in ("PatientBirthDate", "AccessionNumber", "InstitutionName", "StationName",
                    "ReferringPhysicianName", "PatientAddress", "DeviceSerialNumber"):  # fmt: skip
        assert getattr(header, keyword)


def test_identifiers_of_instances_are_unique(headers: list) -> None:
    counts = Counter(header.SOPInstanceUID for header in headers)
    copies = sum(count - 1 for count in counts.values())
    assert copies <= 0.1 * len(headers)


def test_copies_have_another_name_and_the_same_bytes_and_label(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sample, "DUPLICATE_SHARE", 0.5)
    files = [file for number in range(20) for file in sample.files_of(number, seed=0)]
    copies = [(path, data, label) for path, data, label in files if path.endswith("_again.dcm")]
    assert 0.2 < len(copies) / len(files) < 0.45
    originals = {path: (data, label) for path, data, label in files}
    for path, data, label in copies:
        assert originals[path.replace("_again", "")] == (data, label)


def test_broken_files_are_broken_in_four_ways_and_refused(folder: Path, headers: list) -> None:
    data = Path(headers[0].filename).read_bytes()
    broken = {sample._broken(data, np.random.default_rng(seed)) for seed in range(40)}
    assert b"" in broken
    assert any(part.startswith(b"Export failed") for part in broken)
    for part in broken:
        with pytest.raises(UnreadableError):
            image.kind(part)
            dicom.read(part, limits=LIMITS)


def test_people_are_adults_with_plausible_ages() -> None:
    ages = [
        person.age_years(person.first_study)
        for person in (people.invent(np.random.default_rng(n), number=n) for n in range(200))
    ]
    assert min(ages) >= 17
    assert max(ages) <= 95
    assert 50 < np.mean(ages) < 75
