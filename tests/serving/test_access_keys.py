"""API keys: made, kept, ended, and taken up by a service that runs."""

import json
import re
import threading
import time
from datetime import timedelta

import pytest
from click.testing import CliRunner

from medpipe import cli
from medpipe.errors import AccessError, ParamsError, StorageError
from medpipe.serving.access import keyfile
from medpipe.serving.access.keyring import Keyring
from medpipe.serving.access.rate import Buckets, Rate


@pytest.fixture
def path(tmp_path):
    return tmp_path / ".medpipe" / "keys" / "access.json"


def add(path, name="pacs", scopes=("answer:*",), **options):
    return keyfile.add(path, name, scopes=scopes, **{"lifetime": timedelta(days=1), **options})


def ring(path, *, expected=False):
    made = Keyring(path, expected=expected, rate=Rate(5, 1))
    made.look()
    return made


def refused(found, text):
    with pytest.raises(AccessError) as refusal:
        found.caller(text)
    return refusal.value


def medpipe(root, *arguments):
    return CliRunner().invoke(cli.main_group, ["--root", str(root), "keys", *arguments])


def test_a_key_is_long_and_only_its_hash_is_kept_for_its_owner_alone(path):
    key, secret = add(path)
    assert re.fullmatch(r"medpipe_[0-9a-f]{12}_[A-Za-z0-9_-]{43}", secret)  # 43 · 6 bits ≥ 256
    assert secret[-43:] not in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600
    assert key.fits(secret)


def test_keys_added_at_once_are_all_kept(path):
    threads = [threading.Thread(target=add, args=(path, f"k{n}")) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(key.name for key in keyfile.read(path)) == [f"k{n}" for n in range(8)]


@pytest.mark.parametrize(
    ("options", "advice"),
    [
        ({"scopes": ("anser:*",)}, r"did you mean answer:\*"),
        ({"scopes": ("answer:chest_xary",)}, "did you mean answer:chest_xray"),
        ({"scopes": ("answer",)}, "unknown scope"),
        ({"scopes": ()}, "at least one --scope"),
        ({"name": "a\nb"}, "letters, digits"),
        ({"rate": "fast"}, "50/s"),
        ({"rate": "0/s"}, "50/s"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_advice(path, options, advice):
    with pytest.raises(ParamsError, match=advice):
        add(path, **options)
    assert not path.exists()


def test_a_running_service_takes_up_new_and_ended_keys(path):
    found = ring(path)
    assert not found.is_set_up
    key, secret = add(path)
    found.look()
    assert found.caller(secret).name == "key:pacs"
    keyfile.revoke(path, key.id)
    found.look()
    assert refused(found, secret).status == 401
    assert found.is_set_up  # the end of the last key does not open the door


def test_an_expired_key_says_so_to_its_holder_only(path):
    _, secret = add(path, lifetime=timedelta(seconds=-1))
    found = ring(path)
    assert "expired" in str(refused(found, secret))
    assert "expired" not in str(refused(found, secret[:-1] + "!"))


def test_a_key_has_its_own_rate_or_the_services(path):
    (_, slow), (_, plain) = add(path, rate="2/min"), add(path, "ris")
    found = ring(path)
    assert (found.caller(slow).rate, found.caller(plain).rate) == (Rate(2, 60), Rate(5, 1))


@pytest.mark.parametrize(
    "content",
    [
        "{",
        "[]",
        '{"keys": [{"id": "a"}]}',
        '{"keys": {}, "x"',
        '{"keys": [{"id": "a", "name": "n", "sha256": "", "scopes": [], "created": "now", '
        '"expires": null}]}',
    ],
)
def test_a_damaged_file_closes_the_door(path, content):
    _, secret = add(path)
    found = ring(path)
    path.write_text(content)
    found.look()
    assert refused(found, secret).status == 503
    with pytest.raises(StorageError, match="damaged"):
        keyfile.read(path)


def test_a_file_that_goes_away_closes_the_door_until_it_is_back(path):
    _, secret = add(path)
    found = ring(path)
    path.rename(path.with_suffix(".away"))
    found.look()
    assert (refused(found, secret).status, found.is_set_up) == (503, True)
    path.with_suffix(".away").rename(path)
    found.look()
    assert found.caller(secret).name == "key:pacs"


def test_a_file_that_was_promised_and_is_not_there_closes_the_door(path):
    found = ring(path, expected=True)
    assert found.is_set_up
    assert "gone" in str(refused(found, "medpipe_a_b"))


def test_when_a_key_was_used_is_written_on_request_not_by_a_request(path):
    key, secret = add(path)
    found = ring(path)
    before = path.stat().st_mtime_ns
    found.caller(secret)
    assert keyfile.uses(path) == {}
    found.write_uses()
    assert keyfile.uses(path)[key.id].startswith(time.strftime("%Y-", time.gmtime()))
    assert path.stat().st_mtime_ns == before


def test_where_the_time_of_use_cannot_be_written_keys_work_without(path):
    _, secret = add(path)
    found = ring(path)
    keyfile.uses_place(path).with_suffix(".lock").mkdir()  # as in a folder for reading only
    found.caller(secret)
    found.write_uses()
    assert keyfile.uses(path) == {}
    assert found.caller(secret).name == "key:pacs"


def test_the_command_shows_the_secret_once_and_lists_the_rest(tmp_path, path):
    made = json.loads(medpipe(tmp_path, "add", "pacs", "--scope", "papers").stdout)
    assert keyfile.read(path)[0].fits(made["key"])
    listed = medpipe(tmp_path, "list").stdout
    assert made["key"] not in listed
    assert "sha256" not in listed
    (line,) = json.loads(listed)
    assert (line["name"], line["scopes"], line["last_used"]) == ("pacs", ["papers"], None)
    assert line["expires"] > line["created"]


def test_the_command_ends_a_key_by_name_only_if_it_is_the_only_one(tmp_path, path):
    first, _ = add(path)
    add(path)
    assert "give the id of one" in str(medpipe(tmp_path, "revoke", "pacs").exception)
    assert json.loads(medpipe(tmp_path, "revoke", first.id).stdout)["revoked"]
    assert json.loads(medpipe(tmp_path, "revoke", "pacs").stdout)["id"] != first.id
    assert "medpipe keys list" in str(medpipe(tmp_path, "revoke", "pacs").exception)


def test_the_command_writes_where_the_environment_says(tmp_path, path, monkeypatch):
    monkeypatch.setenv("MEDPIPE_ACCESS_KEYS", str(tmp_path / "elsewhere.json"))
    medpipe(tmp_path, "add", "pacs", "--scope", "*", "--expires", "never")
    assert keyfile.read(tmp_path / "elsewhere.json")[0].expires is None
    assert not path.exists()


@pytest.mark.parametrize("text", ["90", "1w", "-1d", "0d", "forever"])
def test_the_command_refuses_a_lifetime_that_it_cannot_read(tmp_path, text):
    result = medpipe(tmp_path, "add", "pacs", "--scope", "*", "--expires", text)
    assert "90d, 12h or never" in str(result.exception)


def test_a_bucket_gives_what_it_has_then_what_it_gets():
    now = [0.0]
    buckets = Buckets(clock=lambda: now[0])
    rate = Rate.of("60/min")
    assert [buckets.take("a", rate) for _ in range(61)] == [0.0] * 60 + [1.0]
    now[0] += 0.5
    assert buckets.take("a", rate) == pytest.approx(0.5)
    assert buckets.take("b", rate) == 0
    now[0] += 0.5
    assert buckets.take("a", rate) == 0
    now[0] += 3600
    assert [buckets.take("a", rate) for _ in range(61)][-1] == pytest.approx(1)


def test_the_buckets_of_many_addresses_are_bounded():
    buckets = Buckets()
    for number in range(20_000):
        buckets.take(str(number), Rate(1, 3600))
    assert len(buckets._left) == 10_000
    assert buckets.take("19999", Rate(1, 3600)) > 0
