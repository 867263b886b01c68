"""What a trace says where little is to be found; the whole way is walked in tests/end_to_end."""

import json
from dataclasses import replace

import pytest
from click.testing import CliRunner

from medpipe import cli, probation, trace
from medpipe.audit import place as places
from medpipe.audit.record import Entry
from medpipe.errors import AuditError


def entry(answer_id, certificate):
    version, status = ("3", 200) if certificate else (None, 415)
    said = {"risk": 0.75} if certificate else {"refused": "RequestError"}
    facts = ("2026-03-01T08:00:00.000+00:00", "ward 3", "http", "chest_xray", version)
    return Entry(answer_id, *facts, certificate, None, status, json.dumps(said), 1.0)


@pytest.fixture
def project(tmp_path, monkeypatch):
    for name in (places.VARIABLE, places.KEY_VARIABLE, "MLFLOW_TRACKING_URI", "MEDPIPE_RELEASES"):
        monkeypatch.delenv(name, raising=False)
    place = places.at(tmp_path)
    store = place.store(place.chain(create=True))
    store.open()
    store.append([entry("answered", "c" * 64), entry("refused", None)])
    store.close()
    return tmp_path


def test_a_release_that_is_not_here_is_said_to_be_missing_and_how_to_reach_it(project):
    found = trace.trace("answered", project)
    assert found["answer"]["answer"] == {"risk": 0.75}
    assert "model" not in found
    (sentence,) = found["missing"]
    assert "cccccccccccccccc… is not here" in sentence
    assert "MLFLOW_TRACKING_URI" in sentence
    assert not (project / ".medpipe" / "mlflow.db").exists()


def test_a_refusal_was_made_from_no_model(project):
    assert trace.trace("refused", project)["missing"] == [
        "it was refused before a model was reached"
    ]


def test_an_unknown_answer_is_an_error_that_names_it(project):
    with pytest.raises(AuditError, match="no answer other is on record here"):
        trace.trace("other", project)


def test_of_two_models_that_were_asked_each_answer_leads_to_the_other(project):
    place, aloud = places.at(project), "0b0cf2b6-7c0e-4f43-9f3b-6a3b4e6a3f10"
    silent = replace(
        entry(probation.silent_id(aloud), "d" * 64),
        standard=probation.SILENT,
        answer=json.dumps({"beside": aloud, "risk": 0.5}),
    )
    store = place.store(place.chain(create=False))
    store.open()
    store.append([entry(aloud, "c" * 64), silent])
    store.close()
    assert trace.trace(aloud, project)["beside"]["answer"]["risk"] == 0.5
    assert trace.trace(silent.answer_id, project)["beside"]["answer"]["risk"] == 0.75
    assert trace.trace("answered", project)["beside"] is None
    assert any(
        line == f'beside   version 3 (shadow): {{"beside": "{aloud}", "risk": 0.5}}'
        for line in trace.words(trace.trace(aloud, project))
    )


def test_a_person_reads_it_on_stderr_and_a_program_on_stdout(project):
    done = CliRunner().invoke(cli.main_group, ["--root", str(project), "trace", "answered"])
    assert json.loads(done.stdout)["answer"]["asked_by"] == "ward 3"
    assert 'asked by ward 3 (http), status 200: {"risk": 0.75}' in done.stderr
    assert "missing  the release with the certificate" in done.stderr
