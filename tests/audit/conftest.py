"""Places to record in: a new SQLite file, and a new table in a real PostgreSQL."""

import pytest
from tampering import sql

from medpipe.audit import place as places


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.slow)])
def place(request, tmp_path, monkeypatch):
    """Where MEDPIPE_AUDIT points in this test."""
    monkeypatch.delenv("MEDPIPE_AUDIT_KEY", raising=False)
    if request.param == "sqlite":
        monkeypatch.delenv("MEDPIPE_AUDIT", raising=False)
        yield places.at(tmp_path)
        return
    monkeypatch.setenv("MEDPIPE_AUDIT", request.getfixturevalue("cluster").address)
    made = places.at(tmp_path)
    made.stem.parent.mkdir()
    yield made
    sql(made, "DROP TABLE IF EXISTS medpipe_audit, medpipe_seen, medpipe_outcome")


@pytest.fixture
def store(place):
    """Open, and empty."""
    made = place.store(place.chain(create=True))
    made.open()
    yield made
    made.close()
