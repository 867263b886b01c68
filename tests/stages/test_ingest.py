"""ingest: incremental, keyed, whole or not there, and frank about what it refused."""

import csv
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
import tiny
from tiny import bring

from medpipe.ahead import in_order
from medpipe.deidentify.pseudonym import KEY_VARIABLE, Pseudonyms
from medpipe.errors import DataError, ParamsError, SourceError
from medpipe.paths import Layout
from medpipe.tables.raw import Raw

NAMES = Pseudonyms(tiny.KEY.encode())
LOOSE = {"quarantine_share": 0.9}


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv(KEY_VARIABLE, tiny.KEY)


@pytest.fixture
def project(tmp_path):
    """A project whose table lists eight files of four patients."""
    root = tmp_path / "Projekt für Röntgen"
    for n in range(8):
        tiny.write(
            root / f"{n}.dcm", patient=f"header {n}", pixels=[n], age=40 + n, day="2024-05-31"
        )
    listed(root, [f"{n}.dcm,{n % 2},patient {n // 2}" for n in range(8)])
    return root


def listed(root, rows, header="path,ill,mrn"):
    (root / "list.csv").write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")


def rows(root, *columns):
    raw = Raw(Layout(root, "tiny").raw, tiny.Tiny.columns)
    return [
        row for batch in raw.batches(columns or [c.name for c in raw.columns], 64) for row in batch
    ]


def stored(root):
    folder = Layout(root, "tiny").raw
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def change(root, name, **said):
    tiny.write(root / name, **said)
    os.utime(root / name, ns=(0, time.time_ns()))


def test_row_holds_the_content_and_nobodys_name(project):
    assert bring(project)["new"] == 8
    first = rows(project)[0]
    assert first["example"] == NAMES("example", "0.dcm")
    assert first["group"] == NAMES("group", "patient 0")
    assert first["image"] == bytes([0])
    assert (first["ill"], first["age_years"]) == (0, 40)
    assert first["time"] == NAMES.shift("patient 0", tiny.date(2024, 5, 31))
    assert json.loads(first["original"]) == {"group": first["group"]}


def test_no_identifier_reaches_raw_in_any_file(project):
    bring(project)
    text = b"".join(stored(project).values())
    assert not [
        word for word in (b"patient", b"header", b".dcm", b"list.csv") if word in text.lower()
    ]


def test_sample_is_invented_once_and_again_for_other_patients(tmp_path):
    assert bring(tmp_path)["examples"] == 6
    made = (tmp_path / "data/tiny/source/dicom/000.dcm").stat().st_mtime_ns
    assert bring(tmp_path)["skipped"] == 6
    assert (tmp_path / "data/tiny/source/dicom/000.dcm").stat().st_mtime_ns == made
    assert bring(tmp_path, source={"name": "sample", "patients": 4})["examples"] == 4


def test_second_run_reads_nothing_and_leaves_every_byte(project):
    first = bring(project)
    before = stored(project)
    for path in project.glob("*.dcm"):  # what is not opened is not noticed
        status = path.stat()
        path.write_bytes(b"?" * status.st_size)
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    second = bring(project)
    assert (second["new"], second["skipped"]) == (0, 8)
    assert stored(project) == before
    assert second["version"] == first["version"]


def test_new_file_costs_one_part_and_touches_no_other(project):
    bring(project)
    before = stored(project)
    tiny.write(project / "new.dcm", patient="x", pixels=[77])
    with (project / "list.csv").open("a") as file:
        file.write("new.dcm,1,patient 0\n")
    outcome = bring(project)
    assert (outcome["new"], outcome["skipped"], outcome["groups"]) == (1, 8, 4)
    after = stored(project)
    assert {k: v for k, v in after.items() if k in before and k != "ledger.parquet"} == {
        k: v for k, v in before.items() if k != "ledger.parquet"
    }


def test_corrected_label_and_content_supersede(project):
    bring(project)
    listed(project, [f"{n}.dcm,{1 if n == 2 else n % 2},patient {n // 2}" for n in range(8)])
    change(project, "5.dcm", patient="", pixels=[99])
    outcome = bring(project)
    assert (outcome["new"], outcome["revised"], outcome["examples"]) == (0, 2, 8)
    found = {row["example"]: row for row in rows(project)}
    assert found[NAMES("example", "2.dcm")]["ill"] == 1
    assert found[NAMES("example", "5.dcm")]["image"] == bytes([99])


def test_touched_file_that_says_the_same_adds_no_row(project):
    version = bring(project)["version"]
    os.utime(project / "3.dcm", ns=(0, time.time_ns()))
    outcome = bring(project)
    assert (outcome["unchanged"], outcome["parts"], outcome["version"]) == (1, 1, version)
    assert bring(project)["skipped"] == 8


def test_file_that_is_gone_stays_in_raw_and_is_counted(project):
    bring(project)
    listed(project, [f"{n}.dcm,{n % 2},patient {n // 2}" for n in range(7)])
    outcome = bring(project)
    assert (outcome["gone"], outcome["examples"]) == (1, 8)


def test_refused_items_are_counted_and_named_on_this_machine_only(project):
    (project / "1.dcm").write_bytes(b"")
    (project / "2.dcm").write_text("letter to Mrs Planted")
    (project / "3.dcm").unlink()
    listed(project, [f"{n}.dcm,{'' if n == 4 else n % 2},{'' if n == 0 else n}" for n in range(8)])
    tiny.write(project / "0.dcm", pixels=[1])
    outcome = bring(project, ingest=LOOSE)
    assert outcome["quarantined"] == {
        "no PatientID, in neither the source nor the file": 1,
        "the file is empty (0 bytes)": 1,
        "not JSON": 1,
        "the file that the source names is not there": 1,
        "no label": 1,
    }
    path = Layout(project, "tiny").quarantine
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    listed_names = [line["item"] for line in csv.DictReader(path.open(encoding="utf-8"))]
    assert listed_names == [f"{n}.dcm" for n in range(5)]
    assert bring(project, ingest=LOOSE)["quarantined"] == outcome["quarantined"]


def test_mended_item_comes_in_and_spoilt_one_goes_out(project):
    (project / "1.dcm").write_text("broken")
    assert bring(project, ingest=LOOSE)["examples"] == 7
    change(project, "1.dcm", patient="", pixels=[1])
    change(project, "6.dcm", patient="")
    (project / "6.dcm").write_text("broken now")
    outcome = bring(project, ingest=LOOSE)
    present = {row["example"] for row in rows(project, "example")}
    assert NAMES("example", "1.dcm") in present
    assert NAMES("example", "6.dcm") not in present
    assert (outcome["examples"], outcome["quarantined"]) == (7, {"not JSON": 1})


def test_item_that_is_mended_to_what_it_was_costs_no_row(project):
    version = bring(project)["version"]
    listed(project, [f"{n}.dcm,{'' if n == 3 else n % 2},patient {n // 2}" for n in range(8)])
    assert bring(project, ingest=LOOSE)["examples"] == 7
    listed(project, [f"{n}.dcm,{n % 2},patient {n // 2}" for n in range(8)])
    outcome = bring(project)
    assert (outcome["examples"], outcome["parts"], outcome["version"]) == (8, 1, version)


def test_too_many_refusals_leave_raw_as_it_was(project):
    bring(project)
    before = stored(project)
    for n in range(3):
        tiny.write(project / f"bad{n}.dcm", pixels=[])
    listed(
        project, [*(f"{n}.dcm,1,{n // 2}" for n in range(8)), *(f"bad{n}.dcm,1," for n in range(3))]
    )
    with pytest.raises(
        DataError, match=r"3 of 11 items cannot be used \(27%, allowed 10%\): 3 × no"
    ):
        bring(project)
    assert stored(project) == before


def test_duplicate_is_refused_and_contradiction_is_kept(project):
    for name in ("same", "other label", "other patient"):
        shutil.copy(project / "0.dcm", project / f"{name}.dcm")
    more = ["same.dcm,0,patient 0", "other label.dcm,1,patient 0", "other patient.dcm,0,patient 9"]
    listed(project, [*(f"{n}.dcm,{n % 2},patient {n // 2}" for n in range(8)), *more])
    outcome = bring(project)
    assert (outcome["new"], outcome["quarantined"]) == (10, {"duplicate": 1})
    assert (
        f"duplicate of {NAMES('example', '0.dcm')}"
        in Layout(project, "tiny").quarantine.read_text()
    )


def test_duplicate_comes_in_when_what_it_repeats_has_changed(project):
    shutil.copy(project / "0.dcm", project / "zero again.dcm")
    listed(project, ["0.dcm,0,patient 0", "zero again.dcm,0,patient 0"])
    assert bring(project)["examples"] == 1
    change(project, "0.dcm", patient="", pixels=[55])
    outcome = bring(project)
    assert (outcome["examples"], outcome["quarantined"]) == (2, {})


def test_age_above_ninety_is_ninety(project):
    change(project, "0.dcm", patient="", pixels=[0], age=97)
    bring(project)
    assert rows(project, "age_years")[0]["age_years"] == 90


def test_site_is_a_pseudonym_unless_declared_public(project):
    listed(project, ["0.dcm,0,p,East Wing"], header="path,ill,mrn,ward")
    options = {"patient": "mrn", "site": "ward"}
    source = {"name": "table", "path": "list.csv", "options": options}
    bring(project, source=source)
    assert rows(project, "site")[0]["site"] == NAMES("site", "East Wing")
    bring(project, source=source | {"options": options | {"public_site": True}})
    assert rows(project, "site")[0]["site"] == "East Wing"


def test_threads_do_not_change_a_byte(project, tmp_path):
    bring(project, ingest={"threads": 1})
    one = stored(project)
    shutil.rmtree(Layout(project, "tiny").raw)
    bring(project, ingest={"threads": 7})
    assert stored(project) == one


def test_results_keep_their_order_and_look_ahead_is_bounded():
    taken = []

    def tasks():
        for n in range(200):
            taken.append(n)
            yield n

    def slow_when_even(n):
        time.sleep(0.004 * (n % 2 == 0))
        return n * n

    for done, (task, result) in enumerate(in_order(slow_when_even, tasks(), 4)):
        assert (task, result) == (done, done * done)
        assert len(taken) - done <= 4 * 16


def test_other_key_is_refused_with_what_to_do(project, monkeypatch):
    bring(project)
    before = stored(project)
    monkeypatch.setenv(KEY_VARIABLE, "another key of thirty-two letters")
    with pytest.raises(DataError, match=r"made with another pseudonym key.*Restore it"):
        bring(project)
    monkeypatch.delenv(KEY_VARIABLE)
    with pytest.raises(DataError, match=r"there is no .*pseudonym\.key"):
        bring(project)
    assert stored(project) == before


def test_other_source_makes_raw_anew_only_when_it_is_whole(project):
    bring(project)
    before = stored(project)
    (project / "other.csv").write_text("path,ill,mrn\n0.dcm,7,a\n")
    source = {"name": "table", "path": "other.csv", "options": {"patient": "mrn"}}
    with pytest.raises(SourceError, match=r"other\.csv row 2: ill is '7'; allowed: 0 or 1"):
        bring(project, source=source)
    assert stored(project) == before
    (project / "other.csv").write_text("path,ill,mrn\n0.dcm,1,a\n")
    assert bring(project, source=source)["examples"] == 1


def test_empty_source_is_an_error(project):
    listed(project, [])
    with pytest.raises(SourceError, match="source table offers nothing"):
        bring(project)
    assert not Layout(project, "tiny").raw.exists()


def test_source_without_a_path_and_unknown_covariate_are_params_errors(project):
    with pytest.raises(ParamsError, match=r"source\.path is not set"):
        bring(project, source={"name": "table"})
    options = {"columns": {"wieght": "mrn"}}
    with pytest.raises(ParamsError, match=r"wieght, which tiny does not have; it has .*age_years"):
        bring(project, source={"name": "table", "path": "list.csv", "options": options})


def test_killed_run_goes_on_and_ends_with_the_same_bytes(tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    for n in range(14):
        noise = tiny.base64.b64encode(bytes([n]) * 400_000).decode()
        tiny.write(whole / f"{n:02d}.dcm", patient=f"{n}", pixels=[n], more=noise, pause_s=0.1)
    listed(whole, [f"{n:02d}.dcm,{n % 2}," for n in range(14)])
    shutil.copytree(whole, killed)
    script = [sys.executable, Path(tiny.__file__)]
    process = subprocess.Popen([*script, killed])
    staged = Layout(killed, "tiny").raw_next
    while not (staged / "part-00001.parquet").exists():
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not Layout(killed, "tiny").raw.exists()
    assert not (staged / "part-00004.parquet").exists()
    for root in (whole, killed):
        bring(root, ingest={"part_mib": 1, "threads": 1})
    assert stored(killed) == stored(whole)
    assert len(rows(killed, "example")) == 14
    assert not staged.exists()


def test_interrupted_growth_leaves_whole_parts_and_goes_on(project):
    bring(project)
    raw = Raw(Layout(project, "tiny").raw, tiny.Tiny.columns)
    tiny.write(project / "new.dcm", patient="x", pixels=[77])
    listed(project, [*(f"{n}.dcm,{n % 2},patient {n // 2}" for n in range(8)), "new.dcm,1,p"])
    ledger = (raw.folder / "ledger.parquet").read_bytes()
    bring(project)
    (raw.folder / "ledger.parquet").write_bytes(ledger)  # as if killed between part and ledger
    outcome = bring(project)
    assert (outcome["new"], outcome["skipped"], outcome["parts"]) == (0, 9, 2)


TWO_LABELS = {
    "name": "table",
    "path": "list.csv",
    "options": {"patient": "mrn", "columns": {"died": "dead"}},
}


def test_an_example_with_any_of_several_labels_is_kept(project):
    said = ["0.dcm,0,1,1", "1.dcm,,1,0", "2.dcm,1,2,", "3.dcm,,2,"]
    listed(project, said, header="path,ill,mrn,dead")
    outcome = bring(project, tiny.Signs(), source=TWO_LABELS, ingest=LOOSE)
    assert outcome["quarantined"] == {"no label": 1}
    raw = Raw(Layout(project, "tiny").raw, tiny.Signs.columns)
    found = [(r["ill"], r["died"]) for b in raw.batches(["ill", "died"], 9) for r in b]
    assert sorted(found, key=str) == [(0, 1), (1, None), (None, 0)]


def test_a_further_label_outside_its_set_is_refused_by_row(project):
    listed(project, ["0.dcm,0,1,7"], header="path,ill,mrn,dead")
    with pytest.raises(SourceError, match=r"died is '7'; allowed: 0 or 1"):
        bring(project, tiny.Signs(), source=TWO_LABELS)
