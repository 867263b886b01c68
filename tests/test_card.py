"""The card says what a workload is for; the data dictionary is its columns and nothing else."""

import json

import pytest
from click.testing import CliRunner

from medpipe import card, cli, workloads
from medpipe.paths import Layout
from medpipe.records import record

NAMES = workloads.names()


def entry(workload: str, name: str) -> card.Entry:
    return next(e for e in card.dictionary(workloads.get(workload)) if e.name == name)


def medpipe(*arguments: str, root) -> str:
    done = CliRunner().invoke(cli.main_group, ["--root", str(root), *arguments])
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.mark.parametrize("name", NAMES)
def test_every_column_has_one_entry_with_its_unit_and_meaning(name):
    columns = workloads.get(name).columns
    found = card.dictionary(workloads.get(name))
    assert [(e.name, e.unit, e.meaning) for e in found] == [
        (c.name, c.unit, c.meaning) for c in columns
    ]


@pytest.mark.parametrize("name", NAMES)
def test_a_request_states_what_a_record_may_state_and_never_the_answer(name):
    workload = workloads.get(name)
    stated = [e.name for e in card.dictionary(workload) if e.in_request]
    is_record = workload.payload == "record"
    assert stated == ([c.name for c in record.asked(workload)] if is_record else [])
    assert workload.label not in stated


def test_an_entry_says_range_unit_and_what_happens_outside():
    assert entry("icu_mortality", "weight_kg").allowed == "numbers from 20 to 400 kg"
    assert entry("icu_mortality", "weight_kg").outside == "flagged"
    assert entry("chest_xray", "height_px").outside == "stops the run"
    assert entry("chest_xray", "height_px").may_be_missing is False
    assert entry("chest_xray", "transfer_syntax").outside == ""
    assert entry("chest_xray", "pneumonia").role == "what is asked"


def test_the_dictionary_is_a_table_that_no_meaning_can_break(tmp_path):
    lines = medpipe("card", "chest_xray", "--data", root=tmp_path).splitlines()
    rows = [line for line in lines if line.startswith("|")]
    assert {line.replace("\\|", "").count("|") for line in rows} == {10}
    assert len(rows) == 2 + len(workloads.get("chest_xray").columns)


def test_json_and_markdown_say_the_same(tmp_path):
    entries = json.loads(medpipe("card", "chest_xray", "--data", "--json", root=tmp_path))
    assert entries == card.as_json(card.dictionary(workloads.get("chest_xray")))


def test_before_there_is_a_model_the_card_says_what_it_will_be_for(tmp_path):
    text = medpipe("card", "chest_xray", root=tmp_path)
    assert "`chest_xray`, no model yet." in text
    assert workloads.get("chest_xray").not_for in text


def test_an_evaluated_model_is_shown_with_its_figures_and_intervals(tmp_path):
    layout = Layout(tmp_path, "chest_xray")
    layout.report.parent.mkdir(parents=True)
    metrics = {"auroc": {"value": 0.8125, "low": 0.75, "high": 0.875}, "ppv": {"value": None}}
    report = {
        **{"workload": "chest_xray", "title": "A | B", "intended_use": "here", "not_for": "there"},
        **{"run_id": "r1", "variant": "fp32", "created": "2026-01-02", "data": {}, "receipt": {}},
        "splits": {"test": {"examples": 80, "groups": 40, "metrics": metrics}, "external": None},
        "threshold": {"value": 0.25},
        "subgroups": [{"column": "sex", "value": "F", "examples": 44, "metrics": metrics}],
    }
    layout.report.write_text(json.dumps(report))
    text = medpipe("card", "chest_xray", root=tmp_path)
    assert "a candidate: evaluated, and not champion" in text
    assert "## On test: 80 examples of 40 patients" in text
    assert "| auroc | 0.812 (0.750–0.875) |" in text
    assert "| ppv | undefined |" in text
    assert "| sex F | 44 | 0.812 (0.750–0.875) |" in text
