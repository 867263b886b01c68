"""Pseudonyms: keyed, stable, and made of nothing that the key does not hide."""

import hashlib
import re
import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta

import pytest

from medpipe.deidentify.pseudonym import KEY_FILE, KEY_VARIABLE, Pseudonyms, load_key
from medpipe.errors import DataError, ParamsError
from medpipe.paths import Home

KEY = b"a key that only the tests know!!"


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.delenv(KEY_VARIABLE, raising=False)
    return Home(tmp_path)


def test_pseudonym_is_the_hmac_of_rfc_2104():
    block = KEY.ljust(64, b"\0")
    inner = hashlib.sha256(bytes(b ^ 0x36 for b in block) + b"group\x004711").digest()
    outer = hashlib.sha256(bytes(b ^ 0x5C for b in block) + inner).hexdigest()
    assert Pseudonyms(KEY)("group", "4711") == f"p_{outer[:16]}"


def test_kind_and_key_keep_names_apart_and_padding_does_not():
    names = Pseudonyms(KEY)
    assert names("group", "4711") == names("group", " 4711 ")
    assert names("site", "4711").startswith("s_")
    assert names("site", "4711")[2:] != names("group", "4711")[2:]
    assert Pseudonyms(b"another")("group", "4711") != names("group", "4711")


def test_uid_is_a_valid_one_of_128_bits_under_2_25():
    uid = Pseudonyms(KEY)("uid", "1.2.840.1")
    assert re.fullmatch(r"2\.25\.[1-9]\d{0,38}", uid)
    assert int(uid[5:]) < 2**128
    assert len(uid) <= 64


def test_shift_is_a_year_at_most_and_never_nothing():
    names, day = Pseudonyms(KEY), date(2024, 2, 29)
    days = {(names.shift(f"patient {n}", day) - day).days for n in range(20_000)}
    assert 0 not in days
    assert (min(days), max(days), len(days)) == (-365, 365, 730)


def test_shift_keeps_the_days_between_two_visits():
    names, first = Pseudonyms(KEY), date(2020, 12, 30)
    later = first + timedelta(days=40)
    assert names.shift("7", later) - names.shift("7", first) == timedelta(days=40)


def test_shift_of_the_last_day_there_is_stays_inside_the_calendar():
    names = Pseudonyms(KEY)
    moved = [names.shift(str(n), date.max) for n in range(50)]
    assert all(day < date.max for day in moved)


def test_names_of_one_patient_win_over_the_header():
    names = Pseudonyms(KEY)
    his = names.of("4711")
    assert his("group", "whatever the header says") == names("group", "4711")
    assert his("uid", "1.2") == names("uid", "1.2")
    assert his.shift("", date(2024, 1, 1)) == names.shift("4711", date(2024, 1, 1))


def test_key_is_made_once_for_the_owner_only(home):
    key = load_key(home)
    path = home.keys / KEY_FILE
    assert len(key) == 32
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert load_key(home) == key
    assert [p.name for p in home.keys.iterdir()] == [KEY_FILE]


def test_processes_that_race_for_the_first_key_get_the_same(home):
    with ThreadPoolExecutor(16) as pool:
        keys = set(pool.map(lambda _: load_key(home), range(64)))
    assert len(keys) == 1


def test_key_of_the_environment_comes_first(home, monkeypatch):
    monkeypatch.setenv(KEY_VARIABLE, "0f" * 32)
    assert load_key(home) == bytes([0x0F]) * 32
    monkeypatch.setenv(KEY_VARIABLE, "correct horse battery staple, twice")
    assert load_key(home) == b"correct horse battery staple, twice"
    assert not home.keys.exists()


def test_short_key_is_refused_with_its_length(home, monkeypatch):
    monkeypatch.setenv(KEY_VARIABLE, "secret")
    with pytest.raises(ParamsError, match="has 6 characters and needs at least 32"):
        load_key(home)


def test_damaged_key_file_is_not_replaced(home):
    home.keys.mkdir(parents=True)
    (home.keys / KEY_FILE).write_text("cut of")
    with pytest.raises(DataError, match="64 hexadecimal digits"):
        load_key(home)
    assert (home.keys / KEY_FILE).read_text() == "cut of"


def test_lost_key_is_asked_for_and_not_made_anew(home):
    with pytest.raises(DataError, match="copy the key file back"):
        load_key(home, create=False)
    assert not home.keys.exists()
