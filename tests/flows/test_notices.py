"""Whoever params.yaml names is told, over a webhook that is real; and nobody else."""

import asyncio

import pytest
from webhook import received

from flows import monitoring, notices
from medpipe.errors import ParamsError


@pytest.fixture
def webhook():
    with received() as (address, got):
        yield address, got


@pytest.fixture
def root(tmp_path):
    section = "notify: {to: {team: {by: webhook, address: TEAM_URL, when: [refused, waits]}}}\n"
    (tmp_path / "params.yaml").write_text(section + "workloads: {}\n")
    return tmp_path


def sent(root, occasion, lines=("AUROC is below 0.8",)):
    return asyncio.run(notices.send(root, occasion, "chest_xray", lines))


def test_a_notice_reaches_who_is_named_with_what_happened(root, webhook, monkeypatch):
    address, got = webhook
    monkeypatch.setenv("TEAM_URL", address)
    assert sent(root, "refused", ("AUROC is below 0.8", "ECE is above 0.1")) == ["team"]
    assert got == [
        {"subject": "medpipe: chest_xray refused", "body": "AUROC is below 0.8\nECE is above 0.1"}
    ]


def test_who_did_not_ask_for_it_is_left_alone(root, webhook, monkeypatch):
    address, got = webhook
    monkeypatch.setenv("TEAM_URL", address)
    assert (sent(root, "drifted"), got) == ([], [])


def test_a_receiver_that_is_not_there_stops_nothing_and_its_address_stays_secret(
    root, monkeypatch, caplog
):
    monkeypatch.setenv("TEAM_URL", "http://127.0.0.1:9/secret-path")
    assert sent(root, "refused") == []
    assert "notify.to.team: not sent" in caplog.text
    assert "secret-path" not in " ".join(r.message for r in caplog.records if "flows" in r.name)


def test_an_address_that_is_not_set_is_said(root, monkeypatch, caplog):
    monkeypatch.delenv("TEAM_URL", raising=False)
    assert sent(root, "refused") == []
    assert "TEAM_URL is not set" in caplog.text


def test_an_address_in_params_instead_of_its_variable_is_refused(root):
    text = (root / "params.yaml").read_text().replace("TEAM_URL", "https://chat.example/secret")
    (root / "params.yaml").write_text(text)
    with pytest.raises(ParamsError, match=r"notify.to.team.address"):
        sent(root, "refused")


@pytest.mark.parametrize(
    ("action", "hour", "is_repeated"),
    [("retrain", 23, True), ("retrain", 24, False), ("recalibrate", 1, False)],
)
def test_the_same_drift_is_told_again_only_after_the_cooldown(action, hour, is_repeated):
    first = monitoring.datetime(2026, 1, 1, tzinfo=monitoring.UTC)
    now = first + monitoring.timedelta(hours=hour)
    last = {"action": "retrain", "at": first.isoformat()}
    assert monitoring.is_repeated(last, action, cooldown_h=24, now=now) is is_repeated
