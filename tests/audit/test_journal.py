"""What was seen and what came of it, in SQLite and in PostgreSQL alike."""

import pytest

from medpipe.audit.sqlite import Sqlite
from medpipe.monitoring.journal import Journal, Outcome, Seen


def seen(answer_id, at="2026-01-01T00:00:00.000+00:00", workload="xray"):
    return Seen(answer_id, at, workload, "3", "c0ffee", None, (0, 4, -1))


def outcome(answer_id, value, label="dead"):
    return Outcome("2026-02-01T00:00:00.000+00:00", "key:ward", answer_id, "xray", label, value)


@pytest.fixture
def journal(place):
    made = Journal(place.database)
    yield made
    made.close()


def test_what_was_seen_is_read_again_as_it_was_and_by_time(journal):
    late, early = seen("a", at="2026-01-02"), seen("b", at="2026-01-01")
    journal.see([late, early, seen("c", workload="other")])
    assert list(journal.seen("xray")) == [early, late]
    assert list(journal.seen("xray", since="2026-01-02")) == [late]


def test_an_answer_is_seen_once_however_often_it_is_put_down(journal):
    journal.see([seen("a"), seen("b")])
    journal.see([seen("b"), seen("c")])
    assert [row.answer_id for row in journal.seen("xray")] == ["a", "b", "c"]


def test_more_rows_than_are_read_at_once_come_each_once(journal, monkeypatch):
    monkeypatch.setattr("medpipe.monitoring.journal._AT_ONCE", 3)
    journal.see([seen(f"{n:02}") for n in range(8)])
    assert [row.answer_id for row in journal.seen("xray")] == [f"{n:02}" for n in range(8)]


def test_the_last_outcome_counts_and_the_earlier_ones_are_kept(journal):
    journal.tell([outcome("a", 1), outcome("b", 0)])
    journal.tell([outcome("a", 0)])
    assert journal.outcomes("xray") == {"a": {"dead": 0}, "b": {"dead": 0}}
    assert [told.value for told in journal.history("a")] == [1, 0]
    assert journal.current(["a", "nobody"]) == {("a", "dead"): 0}


def test_an_outcome_that_is_taken_back_no_longer_counts(journal):
    journal.tell([outcome("a", 1), outcome("a", 1, label="ill")])
    journal.tell([outcome("a", None)])
    assert journal.outcomes("xray") == {"a": {"ill": 1}}


def test_of_outcomes_that_cannot_all_be_put_down_none_is(journal):
    with pytest.raises(TypeError):
        journal.tell([outcome("a", 1), outcome("b", object())])
    assert journal.outcomes("xray") == {}


def test_the_file_lies_beside_the_record_of_answers(tmp_path):
    made = Journal(Sqlite(tmp_path / "audit.db"))
    made.close()
    assert (tmp_path / "watch.db").is_file()
    assert not (tmp_path / "audit.db").exists()
