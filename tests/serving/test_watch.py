"""What answers were given to is written down behind them, and keeps none of them waiting."""

import sqlite3
import time
from collections import Counter

import pytest
from brightness_release import TRUSTED, png, write_release
from fastapi.testclient import TestClient

from medpipe.audit import place as places
from medpipe.deidentify.pseudonym import KEY_VARIABLE, Pseudonyms
from medpipe.monitoring.facts import Fact, Watched
from medpipe.monitoring.journal import Journal
from medpipe.serving import api, recorder, watch
from medpipe.serving.catalogue import Catalogue

WATCHED = Watched(
    splits=("val", "test"),
    examples=90,
    facts=(
        Fact(name="image, mean", part="input", edges=(100, 200), counts=(30, 30, 30)),
        Fact(name="image, noise", part="input", edges=(1,), counts=(45, 45)),
        Fact(name="risk", part="score", edges=(0.5, 0.9), counts=(30, 30, 30)),
        Fact(name="direction 1", part="feature", edges=(0,), counts=(45, 45)),
    ),
)
KEY = "k" * 32


@pytest.fixture
def releases(tmp_path):
    write_release(tmp_path / "releases/brightness", watched=WATCHED.model_dump(mode="json"))
    return tmp_path / "releases"


@pytest.fixture
def app(releases, pytestconfig, monkeypatch):
    for name in ("GATHER_S", "RETRY_S"):
        monkeypatch.setattr(watch, name, 0.05)
    monkeypatch.delenv(KEY_VARIABLE, raising=False)
    return api.create(
        lambda: Catalogue(releases, trusted=lambda _: TRUSTED),
        recorder=lambda: recorder.at(releases),
        page=pytestconfig.rootpath / "service/page.html",
    )


def ask(client, level=204, **headers):
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.post("/v1/brightness", files={"file": png(level)}, headers=sent)


def seen(tmp_path):
    journal = Journal(places.at(tmp_path).database)
    try:
        return list(journal.seen("brightness"))
    finally:
        journal.close()


def test_each_answer_is_seen_in_the_bins_of_its_release_and_a_refusal_is_not(app, tmp_path):
    with TestClient(app) as client:
        bright, dark = ask(client).json(), ask(client, 51).json()
        assert client.post("/v1/brightness", files={"file": b"MR"}).status_code == 422
    found = {row.answer_id: row for row in seen(tmp_path)}
    assert set(found) == {bright["answer_id"], dark["answer_id"]}
    # risk = 1 / (1 + e^−1.2) = 0.77; the model gives no directions
    assert found[bright["answer_id"]].bins == (2, 0, 1, -1)
    assert found[dark["answer_id"]].bins == (0, 0, 0, -1)
    row = found[bright["answer_id"]]
    assert (row.version, row.site) == ("3", None)
    assert row.certificate == bright["certificate_sha256"]


def test_a_journal_that_is_locked_keeps_no_answer_waiting_and_loses_none(
    app, audit_database, tmp_path
):
    with TestClient(app) as client:
        ask(client)
        time.sleep(3 * watch.GATHER_S)
        locked = sqlite3.connect(audit_database.with_name("watch.db"), isolation_level=None)
        locked.execute("BEGIN EXCLUSIVE")
        started = time.monotonic()
        assert [ask(client).status_code for _ in range(5)] == [200] * 5
        assert time.monotonic() - started < 2.0  # SQLite itself would wait for 5 s
        locked.execute("ROLLBACK")
    assert len(seen(tmp_path)) == 6


def test_a_journal_that_cannot_be_written_is_tried_again_and_answers_go_on(
    app, audit_database, tmp_path, caplog
):
    broken = audit_database.with_name("watch.db")
    broken.parent.mkdir(parents=True)
    broken.write_bytes(b"no database" * 100)
    with TestClient(app) as client:
        assert ask(client).status_code == 200
        time.sleep(5 * watch.GATHER_S)
        assert client.app.state.desk.not_ready() is None
        broken.unlink()
    assert caplog.text.count("file is not a database; answers go on") == 1
    assert len(seen(tmp_path)) == 1


def test_what_nobody_could_write_down_is_counted_at_the_end(
    app, audit_database, monkeypatch, caplog
):
    monkeypatch.setattr(watch, "WAITING_MAX", 2)
    audit_database.with_name("watch.db").mkdir(parents=True)
    with TestClient(app) as client:
        assert [ask(client).status_code for _ in range(3)] == [200] * 3
    assert "of 3 answers that are on record nothing is kept" in caplog.text


@pytest.mark.parametrize("is_here", [True, False])
def test_a_site_is_kept_under_the_name_that_ingest_gives_it_where_the_key_is_here(
    app, audit_database, tmp_path, monkeypatch, is_here
):
    if is_here:
        monkeypatch.setenv(KEY_VARIABLE, KEY)
    with TestClient(app) as client:
        for site in ("Ward 3", "Ward 3", "Ward 4"):
            assert ask(client, Medpipe_Site=site).status_code == 200
    (often, _), (_, once) = Counter(row.site for row in seen(tmp_path)).most_common()
    assert once == 1
    assert (often == Pseudonyms(KEY.encode())("site", "Ward 3")) is is_here
    for kept in audit_database.parent.glob("*.db*"):
        assert b"Ward" not in kept.read_bytes()


@pytest.mark.parametrize("site", ["", "x" * 65, " \t", "caf\xe9"])
def test_a_site_that_is_no_name_is_refused_and_not_repeated(app, site):
    with TestClient(app) as client:
        response = ask(client, Medpipe_Site=site.encode("latin-1"))
    assert response.status_code == 400
    assert "Medpipe-Site takes one name" in response.json()["error"]
    assert not site.strip() or site not in response.text


def test_a_release_without_a_reference_answers_and_nothing_is_seen(app, releases, audit_database):
    write_release(releases / "brightness")
    with TestClient(app) as client:
        assert ask(client).status_code == 200
    assert not audit_database.with_name("watch.db").exists()
