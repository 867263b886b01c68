"""Whoever params.yaml names is told, over a webhook that is real; and nobody else."""

import asyncio
import email
import socket
from email import policy

import pytest
from aiosmtpd.controller import Controller
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


@pytest.fixture
def post():
    """A mail server of this machine: its port, and what it has got: sender, receivers, message."""
    got = []

    class Inbox:
        async def handle_DATA(self, server, session, envelope):  # noqa: N802
            message = email.message_from_bytes(envelope.content, policy=policy.default)
            got.append((envelope.mail_from, envelope.rcpt_tos, message))
            return "250 taken"

    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    server = Controller(Inbox(), hostname="127.0.0.1", port=port)
    server.start()
    yield port, got
    server.stop()


def by(root, way):
    text = (root / "params.yaml").read_text().replace("by: webhook", f"by: {way}")
    (root / "params.yaml").write_text(text)


def test_an_e_mail_arrives(root, post, monkeypatch):
    port, got = post
    by(root, "email")
    address = f"mailto://127.0.0.1:{port}?from=medpipe@example.org&to=team@example.org"
    monkeypatch.setenv("TEAM_URL", address)
    assert sent(root, "refused") == ["team"]
    ((sender, receivers, message),) = got
    assert (sender, receivers) == ("medpipe@example.org", ["team@example.org"])
    assert message["Subject"] == "medpipe: chest_xray refused"
    assert message.get_body(("plain",)).get_content().strip() == "AUROC is below 0.8"


def test_a_chat_in_the_building_gets_it_by_an_address_of_apprise(root, webhook, monkeypatch):
    address, got = webhook
    by(root, "apprise")
    host = address.removeprefix("http://").partition("/")[0]
    monkeypatch.setenv("TEAM_URL", f"mmost://{host}/3ccdd113474722377935511fc85d3dd4")
    assert sent(root, "refused") == ["team"]
    assert "AUROC is below 0.8" in got[0]["text"]  # as Mattermost takes it


@pytest.mark.parametrize(
    ("way", "why"),
    [
        ("slack", "an address of hooks.slack.com"),
        ("teams", "a workflow's address of Teams"),
        ("email", "an address that Apprise knows"),
        ("apprise", "an address that Apprise knows"),
    ],
)
def test_an_address_to_which_nothing_could_be_sent_is_said(root, way, why, monkeypatch, caplog):
    by(root, way)
    monkeypatch.setenv("TEAM_URL", "https//chat.example/secret-path")
    assert sent(root, "refused") == []
    assert f"notify.to.team: not sent (TEAM_URL is not {why})" in caplog.text
    assert "secret-path" not in " ".join(r.message for r in caplog.records if "flows" in r.name)


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
