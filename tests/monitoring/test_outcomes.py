"""Ground truth is held against the record of answers and the labels, and put down whole or not."""

import json

import pytest
from click.testing import CliRunner

from medpipe import cli, trace
from medpipe.audit import place as places
from medpipe.audit.record import Entry
from medpipe.errors import OutcomeError
from medpipe.monitoring import journal as journals
from medpipe.monitoring.outcomes import Outcomes, Told


def entry(answer_id, workload="chest_xray", status=200):
    facts = ("2026-03-01T08:00:00.000+00:00", "ward 3", "http", workload, "3", "c" * 64, None)
    return Entry(answer_id, *facts, status, json.dumps({"risk": 0.75}), 1.0)


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Three answers and a refusal are on record."""
    for name in (places.VARIABLE, places.KEY_VARIABLE, "MLFLOW_TRACKING_URI", "MEDPIPE_RELEASES"):
        monkeypatch.delenv(name, raising=False)
    place = places.at(tmp_path)
    store = place.store(place.chain(create=True))
    store.open()
    others = [entry("refused", status=415), entry("stay", "icu_mortality")]
    store.append([entry("a"), entry("b"), *others, entry("gone", "not_installed")])
    store.close()
    return tmp_path


@pytest.fixture
def outcomes(project):
    with Outcomes.open(places.at(project)) as opened:
        yield opened


def tell(outcomes, answer_id, **labels):
    return outcomes.tell([Told(1, answer_id, labels)], told_by="Dr Ada")


def test_the_last_that_was_told_counts_and_everything_is_kept(outcomes):
    for value in (0, 1, None):
        assert tell(outcomes, "a", pneumonia=value)["told"] == 1
    found = outcomes.of("a")
    assert found["outcome"] == {}
    assert [said["value"] for said in found["history"]] == [0, 1, None]
    assert {said["told_by"] for said in found["history"]} == {"Dr Ada"}


def test_what_is_told_again_is_not_put_down_again(outcomes):
    assert tell(outcomes, "a", pneumonia=1) == {"answers": 1, "told": 1, "unchanged": 0}
    assert tell(outcomes, "a", pneumonia=1.0) == {"answers": 1, "told": 0, "unchanged": 1}
    assert tell(outcomes, "b", pneumonia=None) == {"answers": 1, "told": 0, "unchanged": 1}


@pytest.mark.parametrize(
    ("answer_id", "labels", "why"),
    [
        ("nobody", {"pneumonia": 1}, "no such answer is on record here"),
        ("refused", {"pneumonia": 1}, "refused with status 415"),
        ("a", {"died_in_hospital": 1}, "that chest_xray does not have; it has pneumonia"),
        ("a", {"pneumonia": 2}, "pneumonia is 2; allowed: 0 or 1"),
        ("a", {"pneumonia": "yes"}, "pneumonia is not a number; allowed: 0 or 1"),
        ("a", {"pneumonia": True}, "pneumonia is not a number"),
        ("gone", {"pneumonia": 1}, "not_installed"),
    ],
)
def test_what_cannot_be_so_is_refused_with_the_reason(outcomes, answer_id, labels, why):
    with pytest.raises(OutcomeError, match=why):
        tell(outcomes, answer_id, **labels)
    assert outcomes.of("a")["history"] == []


def test_of_many_all_are_put_down_or_none_and_each_row_has_its_reason(outcomes):
    rows = [Told(2, "a", {"pneumonia": 1}), Told(3, "nobody", {}), Told(4, "a", {"pneumonia": 0})]
    with pytest.raises(OutcomeError) as caught:
        outcomes.tell(rows, told_by="Dr Ada")
    assert [row for row, _ in caught.value.problems] == [3, 4]
    assert "row 4: pneumonia of this answer is told twice" in str(caught.value)
    assert outcomes.of("a")["outcome"] == {}


def test_an_answer_whose_record_was_changed_takes_no_outcome(outcomes, monkeypatch):
    monkeypatch.setattr(outcomes._chain, "is_genuine", lambda record: False)
    with pytest.raises(OutcomeError, match="the record of this answer was changed"):
        tell(outcomes, "a", pneumonia=1)


def run(project, *arguments):
    return CliRunner().invoke(cli.main_group, ["--root", str(project), *arguments])


def test_the_command_tells_takes_back_and_shows(project):
    told = json.loads(run(project, "feedback", "a", "--label", "pneumonia=1").stdout)
    assert (told["workload"], told["outcome"]) == ("chest_xray", {"pneumonia": 1})
    run(project, "feedback", "a", "--label", "pneumonia=null", "--told-by", "Dr Bo")
    shown = json.loads(run(project, "feedback", "a").stdout)
    assert shown["outcome"] == {}
    assert [said["told_by"] for said in shown["history"]][1] == "Dr Bo"
    listed = json.loads(run(project, "feedback", "--since", "2026-01-01").stdout)
    assert [(each["answer_id"], each["value"]) for each in listed] == [("a", 1), ("a", None)]
    assert json.loads(run(project, "feedback", "--since", "2999-01-01").stdout) == []


def test_a_file_tells_of_many_answers_of_several_workloads(project):
    file = project / "outcomes.csv"
    file.write_text("\ufeffanswer_id,pneumonia,died_in_hospital\na,1,\nb,,\nstay,,0\n\n")
    done = run(project, "feedback", "--file", str(file))
    assert json.loads(done.stdout) == {"answers": 3, "told": 2, "unchanged": 0}
    with journals.at(project) as journal:
        assert journal.outcomes("chest_xray") == {"a": {"pneumonia": 1}}
        assert journal.outcomes("icu_mortality") == {"stay": {"died_in_hospital": 0}}


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("answer_id,pneumonia\na,1\nb,maybe\n", "row 3: pneumonia is not a number; allowed: 0 or"),
        ("id,pneumonia\na,1\n", "no column answer_id"),
        ("answer_id,pneumonia\na,1,0\n", "row 2: has too many cells"),
        ("answer_id,pneumonia\nJane Doe,1\n", "row 2: no such answer is on record"),
    ],
)
def test_a_file_that_is_wrong_is_refused_as_a_whole_and_names_nobody(project, content, why):
    file = project / "outcomes.csv"
    file.write_text(content)
    done = run(project, "feedback", "--file", str(file))
    assert why in str(done.exception)
    assert "Doe" not in str(done.exception)
    with journals.at(project) as journal:
        assert journal.told() == []


@pytest.mark.parametrize("given", [[], ["a", "--file", __file__], ["--label", "pneumonia=1"]])
def test_it_is_about_one_answer_or_a_file_or_a_time(project, given):
    assert "give one of" in str(run(project, "feedback", *given).exception)


def test_a_trace_shows_what_became_of_the_answer(project):
    run(project, "feedback", "a", "--label", "pneumonia=0", "--told-by", "Dr Bo")
    run(project, "feedback", "a", "--label", "pneumonia=1", "--told-by", "Dr Bo")
    found = trace.trace("a", project)
    assert found["became"]["outcome"] == {"pneumonia": 1}
    first, second = (line for line in trace.words(found) if line.startswith("became"))
    assert "pneumonia: 0, told by Dr Bo" in first
    assert "pneumonia: 1, told by Dr Bo" in second
