"""The table: in order, once each, never changed; the same in SQLite and in PostgreSQL."""

import os
import shutil
import subprocess
import threading
import time
from uuid import RFC_4122, UUID

import pytest
from entries import entries, entry
from tampering import lifted, sql

from medpipe.audit import place as places
from medpipe.audit.chain import faults
from medpipe.audit.record import CONTINUED, Entry, new_id
from medpipe.audit.sqlite import Sqlite
from medpipe.errors import AuditError, MissingStageError

of_sqlite = pytest.mark.parametrize("place", ["sqlite"], indirect=True)
of_postgres = pytest.mark.parametrize(
    "place", [pytest.param("postgres", marks=pytest.mark.slow)], indirect=True
)


def again(place):
    """Another process's store."""
    made = place.store(place.chain(create=False))
    made.open()
    return made


def whole(place, store):
    chain = place.chain(create=False)
    return list(faults(store.records(), chain, [place.head(chain).read()]))


def test_what_was_written_is_read_again_exactly(place, store):
    given = [entry(answer="{}", version=None, certificate=None, input=None), entry(latency_ms=0.1)]
    end = store.append(given)
    found = list(again(place).records())
    assert [
        Entry(**{name: getattr(record, name) for name in vars(given[0])}) for record in found
    ] == given
    assert (end.sequence, end.hash) == (2, found[-1].hash)
    assert whole(place, store) == []


def test_an_answer_is_recorded_once_however_often_it_is_written(store):
    given = entries(3)
    store.append(given[:2])
    store.append(given)
    assert [record.answer_id for record in store.records()] == ["answer-1", "answer-2", "answer-3"]


def test_what_is_called_new_and_is_not_is_recorded_once_all_the_same(place, store):
    given = [entry() for _ in range(501)]  # more than one statement takes
    store.append(given, are_new=True)
    store.append(given, are_new=True)
    assert [record.answer_id for record in store.records()] == [one.answer_id for one in given]
    assert whole(place, store) == []


def test_names_of_answers_sort_by_their_time():
    ids = []
    for _ in range(50):
        ids.append(new_id())
        time.sleep(0.0011)
    assert ids == sorted(ids)
    assert {(UUID(one).version, UUID(one).variant) for one in ids} == {(7, RFC_4122)}
    assert abs((UUID(ids[-1]).int >> 80) / 1000 - time.time()) < 60


def test_several_writers_make_one_chain(place, store):
    def write(number):
        other = again(place)
        for turn in range(20):
            other.append([entry(answer_id=f"{number}-{turn}-{k}") for k in range(3)])
        other.close()

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({record.answer_id for record in store.records()}) == 240
    assert whole(place, store) == []


def test_records_can_be_looked_up(store):
    store.append([*entries(4), entry(answer_id="other", input="2" * 64)])
    assert [record.sequence for record in store.last(2)] == [4, 5]
    assert store.of_answer("answer-3").sequence == 3
    assert store.of_answer("never") is None
    assert [record.answer_id for record in store.of_input("2" * 64)] == ["other"]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE medpipe_audit SET asked_by = 'nobody' WHERE sequence = 2",
        "DELETE FROM medpipe_audit WHERE sequence = 2",
        "DELETE FROM medpipe_audit",
        "INSERT INTO medpipe_audit SELECT 7, 'x', at, asked_by, standard, workload, version, "
        "certificate, input, status, answer, latency_ms, previous, hash FROM medpipe_audit",
    ],
)
def test_the_database_refuses_to_change_what_is_there(place, store, statement):
    store.append(entries(3))
    with pytest.raises(place.database.failures, match="append-only"):
        sql(place, statement)
    assert whole(place, store) == []
    assert store.missing_triggers() == []


def test_sqlite_s_replace_and_postgres_s_truncate_are_refused_as_well(place, store):
    store.append(entries(3))
    replace = (
        "INSERT OR REPLACE INTO medpipe_audit SELECT {0}, {1}, at, 'nobody', standard, workload, "
        "version, certificate, input, status, answer, latency_ms, previous, hash "
        "FROM medpipe_audit WHERE sequence = 2"
    )
    is_sqlite = isinstance(place.database, Sqlite)
    numbered = [replace.format("2", "answer_id"), replace.format("4", "answer_id")]
    for statement in numbered if is_sqlite else ["TRUNCATE medpipe_audit"]:
        with pytest.raises(place.database.failures, match="append-only"):
            sql(place, statement)
    assert len(list(store.records())) == 3


@pytest.mark.parametrize(
    ("statement", "number"),
    [
        ("UPDATE medpipe_audit SET asked_by = 'nobody' WHERE sequence = 2", 2),
        ("DELETE FROM medpipe_audit WHERE sequence = 2", 2),
        ("DELETE FROM medpipe_audit WHERE sequence > 3", 4),
    ],
)
def test_whoever_lifts_the_triggers_is_found(place, store, statement, number):
    store.append(entries(5))
    lifted(place, statement)
    assert [fault.sequence for fault in whole(place, store)] == [number]
    assert store.missing_triggers() != []


def test_a_store_whose_end_was_cut_off_is_not_written_to(place, store):
    store.append(entries(5))
    lifted(place, "DELETE FROM medpipe_audit WHERE sequence > 3")
    with pytest.raises(AuditError, match="record 5, which this machine has seen, is not in"):
        again(place)
    with pytest.raises(AuditError, match="record 5, which this machine has seen"):
        store.append([entry()])


def test_going_on_after_a_loss_is_recorded_and_only_then_possible(place, store):
    store.append(entries(5))
    accept = place.store(place.chain(create=False))
    with pytest.raises(AuditError, match="nothing is lost: record 5 is where it was"):
        accept.go_on(lambda end, seen: entry(status=CONTINUED))
    lifted(place, "DELETE FROM medpipe_audit WHERE sequence > 3")
    accept.go_on(lambda end, seen: entry(answer=f"{end.sequence} {seen.sequence}"))
    assert [record.answer for record in accept.last(1)] == ["3 5"]
    again(place).append([entry()])
    assert whole(place, accept) == []


def test_a_store_of_another_key_is_not_written_to(place, store, monkeypatch):
    store.append(entries(1))
    place.head(place.chain(create=False)).path.unlink()
    monkeypatch.setenv("MEDPIPE_AUDIT_KEY", "another key of at least 32 characters")
    with pytest.raises(AuditError, match="written with another key"):
        again(place)


def test_reading_makes_no_store(place):
    with pytest.raises(MissingStageError, match=r"no table|no record"):
        place.store(place.chain(create=True)).open(create=False)


@of_sqlite
def test_a_file_that_is_removed_or_exchanged_while_in_use_takes_no_answer(tmp_path, place, store):
    store.append(entries(2))
    path = place.database.path
    shutil.copy(path, tmp_path / "copy")
    for spoil in (path.unlink, lambda: os.replace(tmp_path / "copy", path)):
        spoil()
        with pytest.raises(AuditError, match="moved or removed"):
            store.append([entry()])


@pytest.mark.slow
def test_on_a_full_disk_nothing_is_recorded_and_with_room_it_goes_on(tmp_path, monkeypatch):
    (disk := tmp_path / "disk").mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("this user may not mount a file system")
    try:
        monkeypatch.setenv("MEDPIPE_AUDIT", f"sqlite:///{disk / 'audit.db'}")
        place = places.at(tmp_path)
        store = place.store(place.chain(create=True))
        store.open()
        store.append(entries(2))
        filler = disk / "filler"
        filler.write_bytes(b"1" * (shutil.disk_usage(disk).free - 65_536))
        with pytest.raises(AuditError, match="full"):
            store.append([entry(answer="x" * 200_000)])
        filler.unlink()
        again(place).append(entries(3))
        assert whole(place, again(place)) == []
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


@of_postgres
def test_a_server_that_was_restarted_is_found_again_without_a_loss(place, store, cluster):
    store.append(entries(2))
    cluster.stop()
    with pytest.raises(AuditError, match="PostgreSQL does not answer"):
        store.append([entry()])
    cluster.start()
    again(place).append(entries(3))
    assert [record.answer_id for record in again(place).records()] == [
        "answer-1",
        "answer-2",
        "answer-3",
    ]


@of_postgres
def test_a_connection_that_was_cut_is_made_anew_and_the_answer_recorded_once(place, store):
    store.append(entries(1))
    sql(
        place,
        "DO $$ BEGIN PERFORM pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE application_name = 'medpipe audit' AND pid <> pg_backend_pid(); END $$",
    )
    store.append(entries(2))
    assert len(list(store.records())) == 2


@of_postgres
def test_an_account_that_may_only_read_and_add_is_enough(place, store, cluster, monkeypatch):
    sql(place, "CREATE ROLE clerk LOGIN")
    sql(place, "GRANT SELECT, INSERT ON medpipe_audit TO clerk")
    try:
        monkeypatch.setenv("MEDPIPE_AUDIT", cluster.address.replace("postgres@", "clerk@"))
        clerk = places.at(place.stem.parents[1])
        again(clerk).append(entries(2))
        with pytest.raises(clerk.database.failures, match="permission denied"):
            sql(clerk, "DELETE FROM medpipe_audit")
    finally:
        sql(place, "DROP OWNED BY clerk")
        sql(place, "DROP ROLE clerk")
