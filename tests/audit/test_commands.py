"""``medpipe audit``, as a person types it."""

import json
import sqlite3

import pytest
from click.testing import CliRunner
from entries import entries, entry
from tampering import lifted

from medpipe import cli
from medpipe.audit import place as places
from medpipe.errors import AuditError, MissingStageError, ParamsError


@pytest.fixture
def place(tmp_path, monkeypatch):
    for name in (places.VARIABLE, places.KEY_VARIABLE):
        monkeypatch.delenv(name, raising=False)
    made = places.at(tmp_path)
    store = made.store(made.chain(create=True))
    store.open()
    store.append(entries(30))
    store.close()
    return made


def typed(place, *arguments, status=0):
    root = str(place.stem.parents[1])
    done = CliRunner().invoke(cli.main_group, ["--root", root, *arguments], catch_exceptions=False)
    assert done.exit_code == status, done.output
    return json.loads(done.stdout)


def test_a_whole_record_is_told_to_be_whole_with_what_that_cannot_show(place):
    found = typed(place, "audit", "verify")
    assert (found["whole"], found["records"], found["spooled"]) == (True, 30, 0)
    assert found["held_against"] == [found["head"]]
    assert found["head"].startswith("30:")
    assert any("cut off" in sentence for sentence in found["cannot_show"])


@pytest.mark.parametrize(
    ("statement", "number"),
    [
        ("UPDATE medpipe_audit SET answer = 'x' WHERE sequence = 7", 7),
        ("DELETE FROM medpipe_audit WHERE sequence = 7", 7),
        ("DELETE FROM medpipe_audit WHERE sequence > 28", 29),
    ],
)
def test_what_was_changed_or_removed_is_named_and_exits_with_1(place, statement, number):
    lifted(place, statement)
    found = typed(place, "audit", "verify", status=1)
    assert [fault["sequence"] for fault in found["faults"]] == [number]
    assert "triggers are not in force" in found["problems"][0]


def test_a_head_out_of_the_log_is_held_against_the_record(place):
    head = typed(place, "audit", "verify")["head"]
    lifted(place, "DELETE FROM medpipe_audit WHERE sequence > 28")
    place.head(place.chain(create=False)).path.unlink()
    assert typed(place, "audit", "verify", status=1)["faults"] == []
    (fault,) = typed(place, "audit", "verify", "--head", head, status=1)["faults"]
    assert fault["sequence"] == 29


def test_a_head_that_is_none_is_refused(place):
    with pytest.raises(ParamsError, match="'30' is no head"):
        typed(place, "audit", "verify", "--head", "30")


def test_a_head_file_that_was_changed_is_a_problem_and_hides_no_fault(place):
    place.head(place.chain(create=False)).path.write_text("x")
    found = typed(place, "audit", "verify", status=1)
    assert "was changed, or not written with this key" in found["problems"][0]
    assert found["faults"] == []


def test_the_last_ones_are_shown_newest_at_the_end(place):
    shown = typed(place, "audit", "show", "--last", "2")
    assert [record["sequence"] for record in shown] == [29, 30]
    assert shown[0]["answer"]["decision"] is True
    assert len(typed(place, "audit", "show")) == 20


def test_a_record_that_was_changed_is_shown_as_it_is(place):
    lifted(place, "UPDATE medpipe_audit SET answer = 'x' WHERE sequence = 30")
    assert typed(place, "audit", "show", "--last", "1")[0]["answer"] == "x"


def test_what_was_said_of_a_file_is_found_by_the_file_itself(place, tmp_path):
    chain = place.chain(create=False)
    store = place.store(chain)
    store.open()
    store.append([entry(answer_id="of the film", input=chain.input_digest(b"film"))])
    (tmp_path / "film").write_bytes(b"film")
    found = typed(place, "audit", "find", str(tmp_path / "film"))
    assert [record["answer_id"] for record in found] == ["of the film"]


def test_a_loss_that_is_accepted_is_in_the_record(place):
    lifted(place, "DELETE FROM medpipe_audit WHERE sequence > 28")
    head = typed(place, "audit", "continue")["head"]
    (last,) = typed(place, "audit", "show", "--last", "1")
    assert head == f"29:{last['hash']}"
    assert last["answer"]["lost_up_to"].startswith("30:")
    assert typed(place, "audit", "verify", status=1)["faults"] == []  # but no triggers any more


def test_looking_makes_nothing(tmp_path, monkeypatch):
    monkeypatch.delenv(places.VARIABLE, raising=False)
    with pytest.raises(AuditError, match=r"no .*audit\.key"):
        CliRunner().invoke(
            cli.main_group, ["--root", str(tmp_path), "audit", "verify"], catch_exceptions=False
        )
    monkeypatch.setenv(places.KEY_VARIABLE, "k" * 32)
    with pytest.raises(MissingStageError, match="nothing was asked here yet"):
        CliRunner().invoke(
            cli.main_group, ["--root", str(tmp_path), "audit", "show"], catch_exceptions=False
        )
    assert list(tmp_path.iterdir()) == []


def test_no_record_holds_more_than_is_documented(place):
    with sqlite3.connect(place.database.path) as connection:
        columns = [row[1] for row in connection.execute("PRAGMA table_info(medpipe_audit)")]
    assert columns == [
        *("sequence", "answer_id", "at", "asked_by", "standard", "workload", "version"),
        *("certificate", "input", "status", "answer", "latency_ms", "previous", "hash"),
    ]
