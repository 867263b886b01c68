"""The chest radiograph workload, from a file to what the network sees and back to a picture."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from pydicom import dcmread

from medpipe import workloads
from medpipe.columns import COMMON
from medpipe.errors import DataError, ParamsError, UnreadableError
from medpipe.io import image
from medpipe.synthetic import sample
from medpipe.workload import Identity
from medpipe.workloads.chest_xray import WORKLOAD, Encode

LIMITS = {"max_side_px": 512, "min_side_px": 32, "max_pixels": 10**8}
FILM = (np.add.outer(np.arange(100), np.arange(80)) + 20).astype(np.uint8)


def png(pixels: np.ndarray = FILM) -> bytes:
    return image.encode_png(pixels)


@pytest.fixture(scope="module")
def films() -> list[bytes]:
    files = (file for number in range(6) for file in sample.files_of(number, seed=5))
    return [data for path, data, _ in files if "_resent" not in path]


def rows(count: int = 4) -> list[dict[str, bytes]]:
    rng = np.random.default_rng(0)
    return [{"image": png(rng.integers(0, 256, (90, 70), dtype=np.uint8))} for _ in range(count)]


def test_workload_is_found_by_its_file_s_name() -> None:
    assert workloads.get("chest_xray") is WORKLOAD
    assert WORKLOAD.name == "chest_xray"


def test_columns_begin_with_the_common_ones_and_are_unique() -> None:
    names = [column.name for column in WORKLOAD.columns]
    assert WORKLOAD.columns[: len(COMMON)] == COMMON
    assert len(set(names)) == len(names)
    assert {WORKLOAD.label, WORKLOAD.duplicate_column, WORKLOAD.near_duplicate_column} <= set(names)


def test_read_gives_columns_of_raw_within_their_ranges(films: list[bytes]) -> None:
    columns = {column.name: column for column in WORKLOAD.columns}
    for data in [*films, png()]:
        for name, value in WORKLOAD.read(data, limits=LIMITS).items():
            column = columns[name]
            assert value is not None or column.nullable, name
            if value is not None and column.values:
                assert value in column.values, name
            if value is not None and column.low is not None:
                assert column.low <= value <= column.high, name


def test_read_gives_the_same_columns_for_every_format(films: list[bytes]) -> None:
    buffer = io.BytesIO()
    Image.fromarray(FILM).save(buffer, "JPEG")
    seen = {
        tuple(sorted(WORKLOAD.read(d, limits=LIMITS))) for d in (films[0], png(), buffer.getvalue())
    }
    assert len(seen) == 1


def test_read_keeps_pixels_and_statistics() -> None:
    row = WORKLOAD.read(png(), limits=LIMITS)
    np.testing.assert_array_equal(image.decode_png(row["image"]), FILM)
    assert row["mean_intensity"] == pytest.approx(FILM.mean())
    assert row["std_intensity"] == pytest.approx(FILM.std())
    assert (row["view"], row["photometric"], row["age_years"]) == (None, None, None)


def test_dicom_says_what_the_patient_is(films: list[bytes]) -> None:
    header = dcmread(io.BytesIO(films[0]))
    row = WORKLOAD.read(films[0], limits=LIMITS)
    assert (row["sex"], row["view"]) == (header.PatientSex, header.ViewPosition)
    assert row["age_years"] == min(int(header.PatientAge[:3]), 90)
    identity = WORKLOAD.identity(films[0])
    assert identity.patient_id == header.PatientID
    assert identity.site == f"{header.InstitutionName} / {header.StationName}"


def test_png_identifies_nobody() -> None:
    assert WORKLOAD.identity(png()) == Identity()


def test_blank_image_and_other_body_part_are_refused(films: list[bytes]) -> None:
    with pytest.raises(UnreadableError, match="same grey level"):
        WORKLOAD.read(png(np.full((64, 64), 9, np.uint8)), limits=LIMITS)
    header = dcmread(io.BytesIO(films[0]))
    header.BodyPartExamined = "HAND"
    buffer = io.BytesIO()
    header.save_as(buffer)
    with pytest.raises(UnreadableError, match="it shows HAND; send a chest radiograph") as refusal:
        WORKLOAD.read(buffer.getvalue(), limits=LIMITS)
    assert refusal.value.fault == "content"


def test_state_is_json_and_holds_the_training_statistics() -> None:
    given = rows()
    state = WORKLOAD.fit(iter(given), Encode(size_px=32))
    seen = np.stack([WORKLOAD.encode(row, state)["image"] for row in given]).astype(float)
    assert json.loads(json.dumps(state)) == state
    assert state["mean"] == pytest.approx(seen.mean())
    assert state["std"] == pytest.approx(seen.std())
    assert (state["size_px"], state["contrast"]) == (32, "none")


def test_fit_without_rows_says_what_to_change() -> None:
    with pytest.raises(DataError, match="no training rows"):
        WORKLOAD.fit(iter([]), Encode())


def test_encode_pads_to_a_square_around_the_middle() -> None:
    wide = np.full((32, 64), 200, np.uint8)
    seen = WORKLOAD.encode({"image": png(wide)}, {"size_px": 32, "contrast": "none"})["image"]
    assert seen.shape == (1, 32, 32)
    assert seen.dtype == np.uint8
    assert (seen[0, 8:24] == 200).all()
    assert (seen[0, :8] == 0).all()
    assert (seen[0, 24:] == 0).all()


@pytest.mark.parametrize("shape", [(100, 1), (1, 100), (33, 32), (5, 7)])
def test_encode_takes_any_shape(shape: tuple[int, int]) -> None:
    row = {"image": png(np.ones(shape, np.uint8))}
    assert WORKLOAD.encode(row, {"size_px": 32, "contrast": "equalise"})["image"].shape == (
        1,
        32,
        32,
    )


def test_equalising_spreads_grey_levels() -> None:
    row = {"image": png(FILM // 4 + 100)}
    plain, spread = (
        WORKLOAD.encode(row, {"size_px": 64, "contrast": kind})["image"].std()
        for kind in ("none", "equalise")
    )
    assert spread > 1.2 * plain


def test_unknown_source_and_needless_options_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match="'pacs'; chest_xray reads sample, kermany, rsna, table"):
        WORKLOAD.source("pacs", tmp_path, options={})
    with pytest.raises(ParamsError, match="layout kermany has none, not images"):
        WORKLOAD.source("kermany", tmp_path, options={"images": "x"})


@pytest.mark.parametrize("shape", [(100, 60), (60, 100), (64, 64)])
def test_drawing_has_the_image_s_size_and_heats_the_right_place(shape: tuple[int, int]) -> None:
    grey = np.full(shape, 60, np.uint8)
    heat = np.zeros((4, 4), np.float32)
    heat[1:3, 1:3] = 1.0  # the middle, whatever was padded
    drawn = cv2.imdecode(np.frombuffer(WORKLOAD.draw({"image": png(grey)}, heat).data, np.uint8), 1)
    assert drawn.shape == (*shape, 3)
    assert drawn[shape[0] // 2, shape[1] // 2].astype(int).max() > 120
    assert np.abs(drawn[0, 0].astype(int) - 60).max() <= 2


@pytest.mark.parametrize("value", [0.0, np.nan, -1.0])
def test_drawing_of_no_evidence_is_the_image_itself(value: float) -> None:
    drawn = WORKLOAD.draw({"image": png()}, np.full((2, 2), value, np.float32))
    np.testing.assert_array_equal(image.decode_png(drawn.data), FILM)


def test_cautions_name_lateral_views_and_tiny_images() -> None:
    row = {"view": "LATERAL", "height_px": 40, "width_px": 50}
    lateral, tiny = WORKLOAD.cautions(row, {"size_px": 64})
    assert "LATERAL" in lateral
    assert "50 × 40 px" in tiny
    assert (
        WORKLOAD.cautions({"view": None, "height_px": 400, "width_px": 50}, {"size_px": 64}) == ()
    )


def test_perturbations_change_a_batch_in_its_own_shape_and_range() -> None:
    batch = {"image": np.random.default_rng(0).integers(0, 256, (3, 1, 32, 32), dtype=np.uint8)}
    for name, change in WORKLOAD.perturb().items():
        changed = change(batch, np.random.default_rng(1))["image"]
        assert changed.shape == batch["image"].shape, name
        assert changed.dtype == np.uint8, name
        assert (changed != batch["image"]).any(), name


def test_expectations_hold_for_what_is_read_and_fail_for_a_strip(films: list[bytes]) -> None:
    frame = pd.DataFrame([WORKLOAD.read(data, limits=LIMITS) for data in [*films, png()]])
    assert all(rule.holds(frame[list(rule.columns)]).all() for rule in WORKLOAD.expectations())
    strip = next(rule for rule in WORKLOAD.expectations() if rule.name == "image_is_not_a_strip")
    assert not strip.holds(pd.DataFrame({"height_px": [900], "width_px": [100]})).any()


def test_importing_the_workload_loads_nothing_of_the_training_side() -> None:
    heavy = "{'torch', 'pandas', 'pyarrow', 'mlflow', 'lightning_fabric', 'monai', 'matplotlib'}"
    code = f"import sys, medpipe.workloads.chest_xray; print({heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
