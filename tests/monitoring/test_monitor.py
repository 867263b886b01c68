"""From the journal, the record and the release to the verdict, its history, page and metrics."""

import json
import re
from datetime import timedelta

import pytest
from click.testing import CliRunner
from prometheus_client.parser import text_string_to_metric_families
from seen_answers import MONDAY
from watched_project import NAME, TRUSTED, Asked, release

from medpipe import config, workloads
from medpipe.cli import main_group
from medpipe.errors import CertificateError, MissingStageError
from medpipe.monitoring import exposition
from medpipe.monitoring import monitor as monitoring
from medpipe.paths import Layout


@pytest.fixture
def asked(tmp_path, monkeypatch):
    for name in ("MEDPIPE_AUDIT", "MEDPIPE_AUDIT_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MEDPIPE_TRUSTED_KEYS", TRUSTED)
    (tmp_path / "params.yaml").write_text(f"workloads: {{{NAME}: {{}}}}\n")
    return Asked(tmp_path)


def look(asked, *, weeks, **given):
    workload = workloads.get(NAME)
    params = config.load(asked.layout.root, workload)
    now = MONDAY + timedelta(weeks=weeks)
    return monitoring.monitor(workload, params, asked.layout, now=now, **given)


def kept(asked):
    return json.loads(asked.layout.verdict.read_text())


def test_a_quiet_service_is_ok_and_its_facts_are_listed(asked):
    asked.ask(0, 120)
    found = look(asked, weeks=1)
    assert (found["verdict"], found["action"]) == ("ok", "none")
    assert found["window"]["answers"] == found["answers"] == 120
    assert {"age_years", "sex", "risk", "distance"} <= {fact["fact"] for fact in found["facts"]}
    assert "0 outcomes known, 100 are needed" in found["reasons"][1]


def test_another_scanner_is_watched_in_its_first_window_and_drifted_in_its_second(asked):
    for number, distance in enumerate((0.0, 1.5, 1.5)):
        asked.ask(number, 120, distance=distance)
    verdicts = [look(asked, weeks=n) for n in (1, 2, 3)]
    assert [one["verdict"] for one in verdicts] == ["ok", "watch", "drifted"]
    assert verdicts[2]["action"] == "retrain"
    assert "distance has moved, in 2 of the last 3 windows" in verdicts[2]["reasons"][1]
    assert [line["verdict"] for line in kept(asked)["history"]] == ["ok", "watch", "drifted"]


def test_looking_again_before_the_window_is_over_changes_nothing_but_the_time(asked):
    asked.ask(0, 120)
    asked.ask(1, 30, distance=9.0)
    first, again = look(asked, weeks=1), look(asked, weeks=1.9)
    assert first | {"at": 0} == again | {"at": 0}
    assert len(kept(asked)["history"]) == 1


def test_outcomes_twice_as_many_as_expected_ask_for_calibration(asked):
    for number in range(4):
        asked.ask(number, 100, outcomes=lambda risk: asked.rng.random() < min(1, 2.2 * risk))
    found = look(asked, weeks=4)
    assert (found["verdict"], found["action"]) == ("drifted", "recalibrate")
    ratio = next(one for one in found["performance"] if one["name"] == "observed_expected")
    assert ratio["value"] == pytest.approx(2.2, rel=0.2)
    assert ratio["worse"]


def test_a_look_with_other_windows_is_not_written_down(asked):
    asked.ask(0, 120)
    assert look(asked, weeks=1, window_days=1)["policy"]["window_days"] == 1
    assert look(asked, weeks=1, since=MONDAY + timedelta(days=6))["answers"] < 20
    assert not asked.layout.verdict.exists()


def test_the_page_loads_nothing_and_says_what_the_verdict_says(asked):
    for number in (0, 1):
        asked.ask(number, 120, distance=1.5)
    found = look(asked, weeks=2)
    page = (asked.layout.monitoring / "index.html").read_text()
    assert not re.search(r"(?:src|href)=[\"']?(?:https?:)?//|<script|@import|url\(", page)
    assert found["reasons"][0] in page
    assert page.count('class="bins"') == 4


def test_metrics_are_read_by_prometheus_own_parser(asked, tmp_path):
    folder = tmp_path / "textfiles"
    section = f"{{monitor: {{textfiles: {folder}}}}}"
    (tmp_path / "params.yaml").write_text(f"workloads: {{{NAME}: {section}}}\n")
    asked.ask(0, 120, unstated=0.4)
    found = look(asked, weeks=1)
    families = text_string_to_metric_families((folder / f"medpipe_{NAME}.prom").read_text())
    samples = {s.name: s for family in families for s in family.samples if not s.labels.get("whom")}
    assert set(samples) <= set(exposition.GAUGES)
    assert samples["medpipe_monitor_verdict"].value == 1
    unstated = next(fact for fact in found["facts"] if fact["kind"] == "not stated")
    assert samples["medpipe_monitor_not_stated_ratio"].value == pytest.approx(unstated["shown"])


def test_nothing_that_is_written_names_an_answer(asked):
    for number in (0, 1):
        asked.ask(number, 120, distance=1.5)
    look(asked, weeks=2)
    written = "".join(path.read_text() for path in asked.layout.monitoring.iterdir())
    assert not re.search(r"\b00[01]-\d{5}\b", written)


def test_without_an_answer_nothing_is_judged_and_the_verdict_says_so(asked):
    found = look(asked, weeks=1)
    assert (found["verdict"], found["window"]) == ("watch", None)
    assert found["reasons"][0].startswith("No window has been whole since the release")


def test_a_release_without_a_reference_or_with_a_changed_file_is_refused(asked, tmp_path):
    card = asked.layout.champion / "card.json"
    card.write_text(card.read_text() + " ")
    with pytest.raises(CertificateError):
        look(asked, weeks=1)
    older = Layout(tmp_path / "older", NAME)
    release(older.champion, None)
    with pytest.raises(MissingStageError, match="without a reference to monitor by"):
        monitoring.read_champion(older)


def test_the_command_says_it_to_a_person_and_as_json_to_a_program(asked, monkeypatch):
    for number in (0, 1):
        asked.ask(number, 120, distance=1.5)
    whole, now = monitoring.monitor, MONDAY + timedelta(weeks=2)
    monkeypatch.setattr(monitoring, "monitor", lambda *a, **k: whole(*a, **k | {"now": now}))
    command = ["--root", str(asked.layout.root), "monitor", NAME]
    spoken, piped = (CliRunner().invoke(main_group, [*command, *more]) for more in ([], ["--json"]))
    assert (spoken.exit_code, piped.exit_code) == (0, 0)  # a verdict is no error
    found = json.loads(piped.stdout)
    assert (found["verdict"], found["action"]) == ("drifted", "retrain")
    assert spoken.stdout.startswith(f"{NAME}, version 3: drifted, advice: retrain\n")
    assert all(reason in spoken.stdout for reason in found["reasons"])
