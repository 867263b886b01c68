"""Where the record lies, as the environment says."""

import pytest

from medpipe.audit import place as places
from medpipe.errors import AuditError


@pytest.fixture(autouse=True)
def _environment(monkeypatch):
    for name in (places.VARIABLE, places.KEY_VARIABLE):
        monkeypatch.delenv(name, raising=False)


def test_a_project_records_in_its_own_folder(tmp_path):
    place = places.at(tmp_path)
    chain = place.chain(create=True)
    assert place.database.shown == str(tmp_path / ".medpipe" / "audit.db")
    assert place.head(chain).path == tmp_path / ".medpipe" / "audit.db.head"
    assert (tmp_path / ".medpipe" / "keys" / "audit.key").stat().st_mode & 0o777 == 0o600


def test_a_bento_must_be_told_where(tmp_path):
    with pytest.raises(AuditError, match="MEDPIPE_AUDIT is not set: a bento keeps nothing"):
        places.at(tmp_path, keeps_files=False)


def test_key_head_and_spool_of_a_file_lie_beside_it(tmp_path, monkeypatch):
    monkeypatch.setenv(places.VARIABLE, f"sqlite:///{tmp_path}/volume/record.db")
    place = places.at(tmp_path / "bento", keeps_files=False)
    place.chain(create=True)
    assert place.spool(place.chain(create=True)).path == tmp_path / "volume" / "record.db.spool"
    assert (tmp_path / "volume" / "keys" / "audit.key").exists()


def test_a_server_s_password_is_never_shown(tmp_path, monkeypatch):
    monkeypatch.setenv(places.VARIABLE, "postgresql+psycopg://clerk:secret@db.local:5432/audit")
    place = places.at(tmp_path)
    assert place.database.shown == "postgresql://db.local:5432/audit"
    assert place.stem.parent == tmp_path / ".medpipe"


@pytest.mark.parametrize("address", ["sqlite:///audit.db", "mysql://x", "audit.db", "sqlite://"])
def test_any_other_address_is_refused(tmp_path, monkeypatch, address):
    monkeypatch.setenv(places.VARIABLE, address)
    with pytest.raises(AuditError, match="MEDPIPE_AUDIT is neither"):
        places.at(tmp_path)


def test_a_lost_key_is_asked_for_and_not_made_anew(tmp_path):
    place = places.at(tmp_path)
    place.store(place.chain(create=True)).open()
    key = tmp_path / ".medpipe" / "keys" / "audit.key"
    key.unlink()
    with pytest.raises(AuditError, match="copy the key file back, or set MEDPIPE_AUDIT_KEY"):
        place.chain(create=True)
    assert not key.exists()


def test_no_command_makes_a_key(tmp_path):
    with pytest.raises(AuditError, match=r"there is no .*audit\.key"):
        places.at(tmp_path).chain(create=False)
