"""Every answer is on record before it leaves; without a record there is none."""

import asyncio
import json
import os
import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from brightness_release import TRUSTED, png, write_release
from fastapi.testclient import TestClient

from medpipe.audit import place as places
from medpipe.audit.chain import faults
from medpipe.serving import access, api, recorder
from medpipe.serving.access import keyfile
from medpipe.serving.catalogue import Catalogue

FORM = {"file": png(204)}


@pytest.fixture
def place(audit_database, tmp_path):
    return places.at(tmp_path)


@pytest.fixture
def app(releases, pytestconfig, monkeypatch):
    monkeypatch.setattr(recorder, "RETRY_S", 0.05)
    return api.create(
        lambda: Catalogue(releases, trusted=lambda _: TRUSTED),
        recorder=lambda: recorder.at(releases),
        page=pytestconfig.rootpath / "service/page.html",
    )


def ask(client, workload="brightness"):
    return client.post(f"/v1/{workload}", files=FORM)


def recorded(place):
    """All records, as another process sees them; the chain is whole."""
    chain = place.chain(create=False)
    store = place.store(chain)
    store.open(create=False)
    found = list(store.records())
    assert list(faults(found, chain, [place.head(chain).read()])) == []
    store.close()
    return found


def until(condition):
    """Wait for what the service does by itself, at most 10 s."""
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.02)


def is_ready(app):
    return app.state.desk.not_ready() is None


def test_an_answer_and_a_refusal_are_on_record_with_what_was_said(app, place):
    with TestClient(app) as client:
        answered, refused = ask(client).json(), ask(client, "DOE_JANE").json()
        first, second = recorded(place)
    assert (first.answer_id, second.answer_id) == (answered["answer_id"], refused["answer_id"])
    assert json.loads(first.answer)["risk"] == answered["risk"]
    assert first.certificate == answered["certificate_sha256"]
    assert first.input == place.chain(create=False).input_digest(FORM["file"])
    assert (second.status, second.workload) == (404, "-")
    assert "DOE" not in str(second)


def test_who_asked_is_on_record_by_the_name_of_the_key(releases, place, tmp_path):
    keys = tmp_path / ".medpipe" / "keys" / "access.json"
    secret = keyfile.add(keys, "pacs", scopes=["answer:*"], lifetime=None)[1]
    app = api.create(
        lambda: Catalogue(releases, trusted=lambda _: TRUSTED),
        recorder=lambda: recorder.at(releases),
        page=tmp_path,
        porter=access.at(tmp_path),
    )
    with TestClient(app, headers={"Authorization": f"Bearer {secret}"}) as client:
        assert ask(client).status_code == 200
    (found,) = recorded(place)
    assert found.asked_by == "key:pacs"
    assert secret not in str(found)


def test_an_answer_does_not_leave_before_its_record_is_on_the_disk(app, monkeypatch):
    at_the_disk, may_go_on = threading.Event(), threading.Event()
    appended = recorder.Store.append

    def slowly(store, entries):
        at_the_disk.set()
        assert may_go_on.wait(10)
        return appended(store, entries)

    monkeypatch.setattr(recorder.Store, "append", slowly)
    with TestClient(app) as client, ThreadPoolExecutor(1) as asking:
        answer = asking.submit(ask, client)
        assert at_the_disk.wait(10)
        time.sleep(0.2)
        assert not answer.done()
        may_go_on.set()
        assert answer.result(10).status_code == 200


def test_clients_that_come_together_share_the_way_to_the_disk(app, place, monkeypatch):
    transactions = []
    appended = recorder.Store.append
    monkeypatch.setattr(
        recorder.Store,
        "append",
        lambda store, entries: (transactions.append(len(entries)), appended(store, entries))[1],
    )

    async def together():
        async with app.router.lifespan_context(app):
            books = app.state.desk._recorder
            made = [_entry(number) for number in range(32)]
            await asyncio.gather(*(books.record(entry, may_spool=False) for entry in made))

    asyncio.run(together())
    assert sum(transactions) == len(recorded(place)) == 32
    assert len(transactions) <= 3


def _entry(number):
    from medpipe.audit.record import Entry

    facts = ("now", "-", "http", "brightness", "3", None, None, 200, "{}", 1.0)
    return Entry(f"answer-{number}", *facts)


def test_while_the_store_is_gone_nothing_is_answered_and_it_says_so(app, place):
    path = place.database.path
    with TestClient(app) as client:
        ask(client)
        path.rename(path.with_suffix(".away"))
        first, second = ask(client), ask(client)
        assert (first.status_code, second.status_code) == (503, 503)
        assert "cannot be recorded" in first.json()["error"]
        assert str(path) not in first.text
        assert int(first.headers["retry-after"]) > 0
        until(lambda: "which this machine has seen, is not in" in str(app.state.desk.not_ready()))
        assert not path.exists()  # no new one in its place
        path.with_suffix(".away").rename(path)
        until(lambda: is_ready(app))
        assert ask(client).status_code == 200
    assert [record.status for record in recorded(place)] == [200, 200]


def test_a_store_that_is_locked_by_somebody_takes_no_answer(app, place, monkeypatch):
    monkeypatch.setattr("medpipe.audit.sqlite._BUSY_S", 0.1)
    with TestClient(app) as client:
        other = sqlite3.connect(place.database.path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        assert ask(client).status_code == 503
        assert "locked" in app.state.desk.not_ready()
        other.execute("ROLLBACK")
        other.close()
        until(lambda: is_ready(app))
        assert ask(client).status_code == 200


def test_a_service_that_cannot_open_its_store_starts_and_is_not_ready(app, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("MEDPIPE_AUDIT", f"sqlite:///{tmp_path / 'file' / 'audit.db'}")
    with TestClient(app) as client:
        assert "Not a directory" in app.state.desk.not_ready()
        assert ask(client).status_code == 503
        assert client.get("/v1/").status_code == 200


def spooling(releases):
    write_release(
        releases / "brightness",
        serve={"max_upload_mib": 1, "max_pixels": 2500, "batch_max": 4, "audit": "spool"},
    )


def test_with_spool_it_answers_on_and_the_record_is_whole_when_the_store_is_back(
    app, releases, place
):
    spooling(releases)
    path, spool = place.database.path, place.spool(place.chain(create=True))
    with TestClient(app) as client:
        given = [ask(client).json()["answer_id"]]
        path.rename(path.with_suffix(".away"))
        given += [ask(client).json()["answer_id"] for _ in range(3)]
        assert (spool.waiting(), is_ready(app)) == (3, True)
        assert ask(client, "unknown").status_code == 503  # nobody's policy lets this be spooled
        path.with_suffix(".away").rename(path)
        until(lambda: app.state.desk._recorder.problem is None)
        given.append(ask(client).json()["answer_id"])
    assert [record.answer_id for record in recorded(place)] == given
    assert spool.waiting() == 0


def test_what_a_killed_process_spooled_is_recorded_by_the_next_one(app, releases, place):
    spooling(releases)
    place.spool(place.chain(create=True)).append([_entry(1), _entry(2)])
    with TestClient(app):
        pass
    assert [record.answer_id for record in recorded(place)] == ["answer-1", "answer-2"]


def test_a_spool_that_was_changed_stops_the_service_until_a_person_looks(app, releases, place):
    spooling(releases)
    spool = place.spool(place.chain(create=True))
    spool.append([_entry(1)])
    spool.path.write_bytes(spool.path.read_bytes().replace(b"answer-1", b"answer-2"))
    with TestClient(app):
        assert "line 1 was changed" in str(app.state.desk._recorder.problem)
        os.rename(spool.path, spool.path.with_suffix(".kept"))
        until(lambda: app.state.desk._recorder.problem is None)


def test_heads_are_in_the_log_when_it_starts_and_ends(app, place, caplog):
    caplog.set_level("INFO", "medpipe")
    with TestClient(app) as client:
        ask(client)
    heads = [text for text in caplog.messages if text.startswith("audit head")]
    (last,) = recorded(place)
    assert heads == [f"audit head 0:{'0' * 64}", f"audit head 1:{last.hash}"]
