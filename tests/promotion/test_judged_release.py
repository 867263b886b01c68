"""What was recorded decides: champion, on probation still, or taken back, in the policy's name."""

import sqlite3

import psycopg
import pytest
from answered import entry, pair, put_down

from medpipe import probation
from medpipe.errors import AuditError
from medpipe.promotion import change, record
from medpipe.promotion import probation as probations

ANSWERS = 40


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.slow)])
def recorded(request, monkeypatch):
    """Where answers are on record: in the project, or in a real PostgreSQL."""
    monkeypatch.delenv("MEDPIPE_AUDIT", raising=False)
    if request.param == "sqlite":
        yield
        return
    cluster = request.getfixturevalue("cluster")
    monkeypatch.setenv("MEDPIPE_AUDIT", cluster.address)
    yield
    with psycopg.connect(cluster.address.replace("+psycopg", "")) as database:
        database.execute("DROP TABLE IF EXISTS medpipe_audit, medpipe_seen, medpipe_outcome")


@pytest.fixture
def beside(project, recorded):
    """Version 1 is champion, version 2 in the shadow for 40 answers; no one has asked yet."""
    project.configure(release={"mode": "shadow", "answers": ANSWERS, "agreement": 0.9})
    project.train(1.0, 0.0)
    project.promote()
    project.train(2.0, 0.0)
    project.promote()
    return project


def put_pairs(project, count, **options):
    held = record.read(project.layout).record
    pairs = [pair(held.champion, held.probation.held, **options) for _ in range(count)]
    put_down(project.layout.root, [each for two in pairs for each in two])


def judged(project):
    return probations.judge(project.workload, project.params, project.layout)


def test_nothing_asked_keeps_it_on(beside):
    found = judged(beside)
    assert (found["verb"], found["why"][0]) == ("keep on", "0 of 40 answers have come")
    assert beside.status()["probation"]["version"] == "2"


def test_enough_like_the_champion_s_make_it_champion(beside):
    put_pairs(beside, ANSWERS - 4)
    put_pairs(beside, 4, same=False)  # 36 of 40 agree: 0.9 must
    found = judged(beside)
    assert (found["verb"], found["champion"]) == ("full", "2")
    assert found["tally"] == {"answers": 40, "errors": 0, "late": 0, "compared": 40, "differ": 4}
    status = beside.status()
    assert (status["champion"], status["previous"], status["approver"]) == ("2", "1", "policy")
    assert "36 of 40 answers said what the champion said; 0.9 of them must" in status["reason"]


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"same": False}, "0 of 8 answers said what the champion said; 0.9 of them must"),
        ({"failed": True}, "8 of 8 answers failed; 0.02 of them may"),
        ({"latency_ms": 1000.1}, "8 of 8 answers took over 1000 ms; 0.05 of them may"),
    ],
)
def test_each_broken_bound_takes_it_back_before_there_are_enough(beside, options, why):
    put_pairs(beside, 8, **options)
    found = judged(beside)
    assert (found["verb"], found["champion"], found["why"]) == ("roll back", "1", [why])
    assert beside.status()["withdrawn"] == ["2"]
    refused = beside.promote()["reasons"]
    assert refused == ["Version 2 was rolled back; only a person may promote it again"]


def test_what_the_service_has_stopped_is_taken_back(beside):
    probation.stop(beside.layout.probation, "2 of 2 answers failed", change.now())
    assert judged(beside)["why"] == ["The service stopped it: 2 of 2 answers failed"]
    assert beside.status()["probation"] is None


def test_answers_of_a_canary_are_held_against_the_champion_s_silent_ones(beside):
    held = record.read(beside.layout).record
    beside_it, other = held.probation.held, held.champion
    put_down(beside.layout.root, [e for _ in range(30) for e in pair(beside_it, other)])
    failed = {"beside": "x", "refused": "TimeoutError"}
    put_down(beside.layout.root, [entry(beside_it, failed, standard="canary", status=500)])
    found = probations.standing(beside.workload, beside.params, beside.layout)
    assert vars(found.tally) == {
        **{"answers": 31, "errors": 1, "late": 0, "compared": 30, "differ": 0}
    }


@pytest.fixture
def new_champion(beside):
    """Version 2 is champion now, and version 1 the way back."""
    probations.full(beside.layout, reason="looked well", approver="Dr. B")
    return beside


def put_answers(project, count, **options):
    held = record.read(project.layout).record.champion
    said = options.pop("said", {"decision": True})
    put_down(project.layout.root, [entry(held, said, **options) for _ in range(count)])


@pytest.mark.parametrize(
    "options",
    [
        {"status": 500, "said": {"refused": "ValueError"}},
        {"status": 422, "said": {"refused": "ScoreError"}},
        {"latency_ms": 3000.0},
    ],
)
def test_a_new_champion_that_fails_or_is_late_is_rolled_back(new_champion, options):
    put_answers(new_champion, 60)
    put_answers(new_champion, 14, **options)
    found = judged(new_champion)
    assert (found["verb"], found["champion"]) == ("roll back", "1")
    status = new_champion.status()
    assert (status["action"], status["approver"], status["withdrawn"]) == (
        *("rollback", "policy"),
        ["2"],
    )
    assert found["why"][0] in status["reason"]


def test_questions_refused_for_their_own_fault_are_not_the_champion_s(new_champion):
    put_answers(new_champion, 60, status=415, said={"refused": "RequestError"})
    found = judged(new_champion)
    assert (found["verb"], found["tally"]["answers"]) == ("keep on", 0)


def test_a_champion_that_is_not_new_is_left_to_people(new_champion):
    put_answers(new_champion, 60, status=500, said={"refused": "ValueError"})
    new_champion.configure(release={"watch_hours": 0})
    assert judged(new_champion)["verb"] is None
    assert new_champion.status()["champion"] == "2"


@pytest.mark.parametrize("recorded", ["sqlite"], indirect=True)
def test_nothing_is_decided_by_a_record_that_was_changed(beside):
    put_pairs(beside, 8, failed=True)
    with sqlite3.connect(beside.layout.home.audit_database) as database:
        database.execute("DROP TRIGGER medpipe_audit_no_update")
        database.execute("UPDATE medpipe_audit SET latency_ms = 0 WHERE sequence = 16")
    with pytest.raises(AuditError, match="record 16 was changed"):
        judged(beside)
    assert beside.status()["probation"]["version"] == "2"
