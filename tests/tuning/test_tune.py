"""A search: on val only, resumable, shared, and written where the next run takes it."""

from __future__ import annotations

import csv
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import dots
import optuna
import pytest

from medpipe import config, files, tracking, tuning
from medpipe.errors import DataError, MissingStageError, ParamsError
from medpipe.tuning import studies
from medpipe.tuning.trial import Setting

HERE = Path(__file__).parent
FEW = 10


def study(layout) -> optuna.Study:
    setting = Setting(*dots.parts(layout), space=config.load(layout.root, dots.Dots()).tune.space)
    return studies.opened(layout, setting.params, setting.facts)


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    """A search whose project has lost its test and external patients; to be looked at only."""
    layout = dots.project(tmp_path_factory.mktemp("searched"))
    for side in ("test", "external"):
        shutil.rmtree(layout.ready / side)
    return layout, dots.search(layout, FEW)


def test_a_search_needs_no_test_patient(searched):
    assert searched[1]["trials"].keys() <= {"complete", "pruned"}
    assert sum(searched[1]["trials"].values()) == FEW


def test_the_first_trial_is_what_params_yaml_says(searched):
    layout, result = searched
    first = study(layout).trials[0]
    assert first.user_attrs["values"] == {
        "train.learning_rate": 0.002,
        "model.width": 4,
        "model.kind": "tanh",
    }
    assert result["now"] == first.value


def test_the_best_is_the_highest_of_all_that_are_complete(searched):
    layout, result = searched
    with (layout.tuning_report / "trials.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == FEW
    scores = [float(row["score"]) for row in rows if row["state"] == "complete"]
    assert result["best"]["score"] == max(scores) > result["now"]


def test_values_are_those_that_three_digits_can_say(searched):
    rates = [t.user_attrs["values"]["train.learning_rate"] for t in study(searched[0]).trials]
    assert rates == [float(f"{rate:.3g}") for rate in rates]


def test_a_search_that_is_done_trains_nothing_more(searched):
    layout, result = searched
    assert dots.search(layout, FEW)["trials"] == result["trials"]


def test_each_trial_is_a_run_below_that_of_the_study(searched):
    layout, result = searched
    client = tracking.store.client(layout)
    runs = client.search_runs([tracking.store.experiment(layout)])
    parent = tracking.study_run(layout, result["study"])
    nested = [run for run in runs if run.data.tags.get("mlflow.parentRunId") == parent]
    assert sorted(int(run.data.tags["tune.trial"]) for run in nested) == list(range(FEW))
    best = next(run for run in nested if run.info.run_id == result["best"]["run_id"])
    assert best.data.params["model.width"] == str(result["best"]["values"]["model.width"])
    assert best.data.metrics["best_val_auroc"] == result["best"]["score"]


def test_the_page_loads_nothing_from_elsewhere_and_says_what_to_paste(searched):
    text = (searched[0].tuning_report / "index.html").read_text(encoding="utf-8")
    assert "http" not in text.replace("http-equiv", "")
    assert f"learning_rate: {searched[1]['best']['values']['train.learning_rate']:g}" in text


def test_finished_trials_leave_no_checkpoints(searched):
    assert [path.name for path in searched[0].tuning.rglob("*") if path.is_file()] == ["turn.lock"]


def test_the_same_seed_tries_the_same_points_with_or_without_an_interruption(tmp_path):
    tried = []
    for name, steps in (("whole", [4]), ("twice", [2, 4])):
        layout = dots.project(tmp_path / name)
        for trials in steps:
            dots.search(layout, trials)
        tried.append([t.user_attrs["values"] for t in study(layout).trials])
    assert tried[0] == tried[1]


@pytest.mark.slow
def test_a_trial_that_was_killed_goes_on_where_it_stood(tmp_path):
    layout = dots.project(tmp_path, train={"epochs": 60})
    command = [sys.executable, str(HERE / "dots.py"), str(tmp_path), "1"]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        wait_for(lambda: list(layout.tuning.rglob("[0-9]*-*.pt")))
        process.send_signal(signal.SIGKILL)
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "trial 0 was interrupted; it goes on where it stood" in done.stderr
    killed, again = study(layout).trials
    assert (killed.state.name, again.state.name) == ("FAIL", "COMPLETE")
    assert again.params == killed.params
    assert again.user_attrs["resumed_after"] >= 1
    assert again.user_attrs["run_id"] == killed.user_attrs["run_id"]
    # The epoch in which it was killed may have been kept and not yet reported.
    missing = set(range(1, 61)) - set(again.intermediate_values)
    assert missing <= {again.user_attrs["resumed_after"]}


@pytest.mark.slow
def test_two_processes_share_one_search(tmp_path):
    layout = dots.project(tmp_path)
    command = [sys.executable, str(HERE / "dots.py"), str(tmp_path), "6"]
    pair = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    told = [process.communicate()[1] for process in pair]
    failed = [text for process, text in zip(pair, told, strict=True) if process.returncode]
    assert not failed, failed[0][-3000:]
    assert len(study(layout).trials) == 6
    assert all("trial" in each for each in told)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"tune": {"space": {"model.width": {"low": 2, "high": 8}}}}, "the search space and"),
        ({"digest": "r2"}, "the data or their split changed since study"),
        ({"train": {"epochs": 2}}, "another parameter changed since study"),
    ],
)
def test_what_cannot_be_compared_is_a_new_study_and_the_log_says_why(
    tmp_path, caplog, changes, said
):
    before = study(dots.project(tmp_path)).study_name
    caplog.set_level("INFO", logger="medpipe")
    assert study(dots.project(tmp_path, **changes)).study_name != before
    assert said in caplog.text
    assert before in caplog.text


def test_the_value_that_was_found_does_not_end_the_search(tmp_path):
    layout = dots.project(tmp_path)
    before = study(layout).study_name
    config.set_values(tmp_path, dots.Dots(), {"model.width": 9, "train.learning_rate": 0.03})
    assert study(layout).study_name == before


def test_values_that_are_not_possible_together_are_passed_over(tmp_path):
    space = {"model.width": {"choices": [1, 2]}, "model.dropout": {"choices": [0.1, 0.2]}}
    layout = dots.project(tmp_path, tune={"space": space})
    result = dots.search(layout, 5)
    reasons = {t.user_attrs.get("reason") for t in study(layout).trials}
    assert "a width of 1 leaves nothing to drop" in reasons
    assert result["best"]["values"]["model.width"] == 2


def test_a_rate_that_diverges_is_passed_over(tmp_path):
    space = {"train.learning_rate": {"choices": [0.01, 10.0]}}
    train = {"optimiser": "sgd", "gradient_clip": 0.0, "l2": 1e30, "schedule": "constant"}
    layout = dots.project(tmp_path, tune={"space": space}, train=train)
    dots.search(layout, 2)
    assert "training diverged" in study(layout).trials[0].user_attrs["reason"]


def test_a_val_without_one_class_stops_the_search(tmp_path):
    layout = dots.project(tmp_path, is_learnable=False)
    with pytest.raises(DataError):
        dots.search(layout, 2)


def test_a_search_that_was_not_made_cannot_be_looked_at(tmp_path):
    with pytest.raises(MissingStageError, match="run `medpipe tune dots --trials 20`"):
        tuning.look(*dots.parts(dots.project(tmp_path)))


@pytest.mark.parametrize("url", ["no url", "nosuch://host/db", "mysql+nodriver://host/db"])
def test_a_database_that_is_none_is_named_without_its_password(tmp_path, url):
    layout = dots.project(tmp_path, tune={"storage": url.replace("//", "//me:secret@")})
    with pytest.raises(ParamsError, match=r"cannot be opened.*tune\.storage") as refused:
        study(layout)
    assert "secret" not in str(refused.value)


def test_the_environment_names_the_database_that_machines_share(tmp_path, monkeypatch):
    monkeypatch.setenv(studies.ENVIRONMENT, f"sqlite:///{tmp_path}/shared.db")
    layout = dots.project(tmp_path)
    study(layout)
    assert (tmp_path / "shared.db").is_file()
    assert not layout.tuning_database.exists()


def test_a_lock_is_abandoned_when_its_holder_has_ended(tmp_path):
    path = tmp_path / "lock"
    assert not files.is_abandoned(path)
    with files.locked(path):
        assert not files.is_abandoned(path)
    assert files.is_abandoned(path)


def wait_for(what, s: float = 60) -> None:
    until = time.monotonic() + s
    while not what():
        assert time.monotonic() < until
        time.sleep(0.02)
