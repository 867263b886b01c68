"""validate: what is broken is named by pseudonym, and the run stops after the page is written."""

import json

import pytest
from shade import Shade, picture, project, row

from medpipe.columns import Column
from medpipe.errors import DataError, MissingStageError
from medpipe.stages.validate import validate
from medpipe.tables.raw import Raw
from medpipe.validation import expectations


def read(layout, name):
    return json.loads((layout.validation / name).read_text(encoding="utf-8"))


def good(count=60, **changes):
    return [row(n, **changes) for n in range(count)]


def test_good_raw_passes_and_the_outcome_is_what_is_written(tmp_path):
    workload, params, layout = project(tmp_path, good())
    outcome = validate(workload, params, layout)
    assert outcome == read(layout, "validation.json")
    assert outcome["passed"]
    assert outcome["failed"] == []
    assert (outcome["parts"], outcome["rows"]) == (1, 60)
    assert read(layout, "failed.json") == {}
    assert "✓ Passed." in (layout.validation / "index.html").read_text(encoding="utf-8")


def test_a_broken_rule_stops_after_the_page_is_written(tmp_path):
    rows = [row(n, age_years=-7.25 if n in (3, 8) else 30.0) for n in range(60)]
    workload, params, layout = project(tmp_path, rows)
    with pytest.raises(DataError, match=r"age_years.range \(2 examples: e0003, e0008\).*ingest"):
        validate(workload, params, layout)
    assert not read(layout, "validation.json")["passed"]
    assert read(layout, "failed.json")["age_years.range"]["examples"] == ["e0003", "e0008"]
    assert "✗ Stopped." in (layout.validation / "index.html").read_text(encoding="utf-8")


def test_no_value_is_written_anywhere(tmp_path):
    rows = [row(n, age_years=-7.25, sex="Zoe Q") if n == 3 else row(n) for n in range(60)]
    workload, params, layout = project(tmp_path, rows)
    with pytest.raises(DataError) as stopped:
        validate(workload, params, layout)
    written = "".join(p.read_text() for p in layout.validation.rglob("*") if p.is_file())
    for text in (written, str(stopped.value)):
        assert "7.25" not in text
        assert "Zoe" not in text


def test_a_warning_goes_on(tmp_path):
    rows = [row(n, sex="M", age_years=9.0 if n == 4 else 30.0) for n in range(60)]
    workload, params, layout = project(tmp_path, rows)
    outcome = validate(workload, params, layout)
    assert outcome["passed"]
    assert [(f["rule"], f["column"], f["examples"], f["severity"]) for f in outcome["failed"]] == [
        ("men_are_adults", "sex, age_years", 1, "warning")
    ]


def test_only_new_parts_are_judged(tmp_path, monkeypatch):
    workload, params, layout = project(tmp_path, good())
    validate(workload, params, layout)
    Raw(layout.raw, workload.columns).append([row(n) for n in range(60, 70)])
    judged, broken = [], expectations.Suite.broken
    monkeypatch.setattr(
        expectations.Suite, "broken", lambda self, p: judged.append(p.name) or broken(self, p)
    )
    assert validate(workload, params, layout)["rows"] == 70
    assert judged == ["part-00001.parquet"]


def test_a_changed_rule_judges_every_part_again(tmp_path):
    workload, params, layout = project(tmp_path, good(age_years=90.0))
    validate(workload, params, layout)

    class Stricter(Shade):
        columns = tuple(
            Column("age_years", "float", "age", low=0, high=80) if c.name == "age_years" else c
            for c in Shade.columns
        )

    with pytest.raises(DataError, match=r"age_years.range \(60 examples"):
        validate(Stricter(), params, layout)


def test_what_was_corrected_at_the_source_no_longer_stops(tmp_path):
    rows = [row(n, age_years=-1.0 if n == 3 else 30.0) for n in range(60)]
    workload, params, layout = project(tmp_path, rows)
    with pytest.raises(DataError):
        validate(workload, params, layout)
    Raw(layout.raw, workload.columns).append([row(3, age_years=31.0)])
    assert validate(workload, params, layout)["passed"]


def test_the_output_is_the_same_whether_parts_were_known_or_not(tmp_path):
    workload, params, layout = project(tmp_path, good())
    validate(workload, params, layout)
    first = {p.name: p.read_bytes() for p in layout.validation.rglob("*") if p.is_file()}
    validate(workload, params, layout)
    assert first == {p.name: p.read_bytes() for p in layout.validation.rglob("*") if p.is_file()}


def test_one_picture_with_two_labels_stops(tmp_path):
    rows = [row(n, **({"pixels": picture(0, True)} if n == 1 else {})) for n in range(60)]
    workload, params, layout = project(tmp_path, rows)
    with pytest.raises(DataError, match=r"data.contradictions \(2 examples: e0000, e0001\)"):
        validate(workload, params, layout)


def test_without_raw_the_error_names_the_stage_that_makes_it(tmp_path):
    workload, params, layout = project(tmp_path, [])
    with pytest.raises(MissingStageError, match="medpipe stage ingest shade"):
        validate(workload, params, layout)
