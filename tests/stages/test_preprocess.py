"""preprocess: nothing of test reaches train, and ready is the same whoever makes it."""

import numpy as np
import pytest
from shade import Marks, Shade, picture, project, row

from medpipe import split
from medpipe.errors import DataError, MissingStageError, StorageError
from medpipe.paths import Layout
from medpipe.stages.preprocess import preprocess
from medpipe.tables.ready import Ready

HALVES = {"val": 0.25, "test": 0.25}


def made(root, rows, workload=None, **sections):
    workload, params, layout = project(root, rows, workload, **({"split": HALVES} | sections))
    return preprocess(workload, params, layout), Ready(layout.ready)


def side_of(number):
    return split.side(f"p{number // 2:04d}", salt="medpipe", val=0.25, test=0.25)


def on(side, count=1):
    """The first examples whose patient stands on `side`, of different patients."""
    return [n for n in range(0, 400, 2) if side_of(n) == side][:count]


def test_every_example_stands_on_its_patients_side_with_its_own_picture(tmp_path):
    _, ready = made(tmp_path, [row(n) for n in range(60)])
    seen = 0
    for side in ("train", "val", "test"):
        frame, arrays = ready.frame(side), ready.arrays(side)
        for i, name in enumerate(frame["example"]):
            number = int(name[1:])
            assert side_of(number) == side
            assert (arrays["image"][i, 0] == picture(number, number % 2 == 0)).all()
            seen += 1
    assert seen == 60


def test_rows_hold_the_label_under_both_names_and_no_content(tmp_path):
    frame = made(tmp_path, [row(n) for n in range(60)])[1].frame("train")
    assert (frame["label"] == frame["is_bright"]).all()
    assert {"example", "group", "site", "age_years", "sex"} <= set(frame.columns)
    assert "image" not in frame.columns


def test_fit_sees_train_and_nothing_else(tmp_path):
    _, ready = made(tmp_path, [row(n) for n in range(60)])
    assert ready.state["examples"] == list(ready.frame("train")["example"])


def test_order_and_bytes_do_not_depend_on_threads(tmp_path):
    rows = [row(n) for n in range(120)]
    one = made(tmp_path / "one", rows, ingest={"threads": 1})[1]
    many = made(tmp_path / "many", rows, ingest={"threads": 7})[1]
    files = sorted(p.relative_to(one.folder) for p in one.folder.rglob("*") if p.is_file())
    assert len(files) == 4 + 4 + 3  # state, receipt, params, inputs; rows of 4 sides; images of 3
    for file in files:
        assert (one.folder / file).read_bytes() == (many.folder / file).read_bytes()


def test_counts_are_those_of_the_rows(tmp_path):
    outcome, ready = made(tmp_path, [row(n) for n in range(60)])
    for side, counts in outcome["counts"].items():
        frame = ready.frame(side)
        assert counts["examples"] == len(frame)
        assert counts["groups"] == frame["group"].nunique()
        assert counts["positives"] == frame["label"].sum()
    assert outcome["clean"]


def test_rows_without_a_label_are_left_out_and_counted(tmp_path):
    rows = [row(n) for n in range(60)] + [row(n, is_bright=None) for n in range(60, 65)]
    outcome, _ = made(tmp_path, rows)
    assert outcome["left_out"]["without_label"] == 5
    assert sum(c["examples"] for c in outcome["counts"].values()) == 60


def test_a_picture_under_two_patients_stays_on_the_side_that_must_stay_whole(tmp_path):
    lesser, greater = on("train")[0], on("test")[0]
    same = picture(greater, bright=True)
    rows = [row(n, **({"pixels": same} if n == lesser else {})) for n in range(60)]
    outcome, ready = made(tmp_path, rows)
    assert outcome["left_out"]["copy_on_another_side"] == 1
    assert f"e{lesser:04d}" not in set(ready.frame("train")["example"])
    assert f"e{greater:04d}" in set(ready.frame("test")["example"])
    assert outcome["clean"]


def test_near_copies_across_sides_are_confirmed_by_their_pictures(tmp_path):
    train, test = on("train")[0], on("test")[0]
    brighter = np.clip(picture(test, bright=True).astype(int) + 3, 0, 255).astype(np.uint8)
    rows = [row(n, **({"pixels": brighter} if n == train else {})) for n in range(60)]
    outcome, ready = made(tmp_path, rows)
    near = ready.receipt["near_duplicates"]
    assert near["confirmed"] == 1
    assert set(near["pairs"][0]) == {f"e{train:04d}", f"e{test:04d}"}
    assert not outcome["clean"]
    assert "near duplicate" in outcome["problems"][0]


def test_a_published_split_keeps_its_shared_patients_and_says_so(tmp_path):
    rows = [row(n, published="test" if n % 5 == 0 else "train") for n in range(100)]
    outcome, ready = made(tmp_path, rows, split={"by": "published", "val": 0.25})
    shared = {f"p{n // 2:04d}" for n in range(100) if (n % 5 == 0) != ((n ^ 1) % 5 == 0)}
    assert set(ready.receipt["shared_groups"]["groups"]) == shared
    assert not outcome["clean"]


def test_an_external_site_is_held_out_whole(tmp_path):
    rows = [row(n) for n in range(100)]
    _, ready = made(tmp_path, rows, split={**HALVES, "external_sites": ["south"]})
    assert len(ready.frame("external")) == 20
    assert set(ready.frame("external")["site"]) == {"south"}
    assert "south" not in set(ready.frame("train")["site"])


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([row(n, is_bright=None) for n in range(20)], r"none of the 20 examples of raw has a is_b"),
        (
            [row(n, group="p1") for n in range(20)],
            r"all 20 labelled examples belong to one patient",
        ),
        ([row(n, is_bright=1) for n in range(60)], r"every one of the \d+ examples of train has"),
        (
            [row(n + i) for n in on("train", 5) for i in (0, 1)],
            r"val got none of 5 patients \(split.val 0.25",
        ),
    ],
)
def test_data_that_cannot_carry_a_model_are_refused(tmp_path, rows, message):
    with pytest.raises(DataError, match=message):
        made(tmp_path, rows)
    assert not Layout(tmp_path, "shade").ready.exists()


@pytest.mark.parametrize(
    ("torn", "said"),
    [
        (lambda n: 1 if side_of(n) == "val" else n % 3 % 2, r"of val has is_torn = 1;"),
        (lambda n: None if side_of(n) == "test" else n % 3 % 2, r"of test has is_torn = not known"),
    ],
)
def test_each_of_several_labels_needs_two_classes_on_each_side(tmp_path, torn, said):
    rows = [row(n, is_torn=torn(n)) for n in range(60)]
    with pytest.raises(DataError, match=r"every one of the \d+ examples " + said):
        made(tmp_path, rows, Marks())


def test_a_label_that_is_known_of_some_only_keeps_none_out(tmp_path):
    rows = [row(n, is_torn=n % 3 % 2 if n % 4 < 2 else None) for n in range(120)]
    outcome, _ = made(tmp_path, rows, Marks())
    assert sum(counts["examples"] for counts in outcome["counts"].values()) == 120


def test_the_last_revision_of_an_example_is_encoded(tmp_path):
    rows = [row(n) for n in range(60)]
    _, ready = made(tmp_path, [*rows, row(on("train")[0], age_years=99.0)])
    frame = ready.frame("train").set_index("example")
    assert frame.loc[f"e{on('train')[0]:04d}", "age_years"] == 99.0
    assert sum(len(ready.frame(s)) for s in split.SIDES) == 60


def test_an_interrupted_run_leaves_the_earlier_ready(tmp_path, monkeypatch):
    rows = [row(n) for n in range(60)]
    workload, params, layout = project(tmp_path, rows, split=HALVES)
    preprocess(workload, params, layout)
    before = Ready(layout.ready).receipt

    class Broken(Shade):
        def encode(self, row, state):
            raise OSError(28, "No space left on device")

    with pytest.raises(StorageError, match="the disk is full"):
        preprocess(Broken(), params, layout)
    assert Ready(layout.ready).receipt == before
    assert list(layout.ready.parent.glob(".partial-*")) == []


def test_params_in_force_are_kept_and_only_those_that_matter(tmp_path):
    kept = made(tmp_path, [row(n) for n in range(60)])[1].params
    assert set(kept) == {"split", "preprocess"}
    assert kept["split"]["test"] == 0.25
    assert kept["preprocess"] == {"scale": 1}


def test_without_raw_the_error_names_the_stage_that_makes_it(tmp_path):
    workload, params, layout = project(tmp_path, [])
    with pytest.raises(MissingStageError, match="medpipe stage ingest shade"):
        preprocess(workload, params, layout)
