"""Runs: what is logged, how they end, and how they come back on another machine."""

import json
import math
import subprocess
import sys

import pytest

from medpipe import tracking
from medpipe.errors import MissingStageError, TrackingError
from medpipe.tracking import store
from medpipe.tracking.runs import IMPORTED


def stored(layout, run_id):
    return store.client(layout).get_run(run_id)


def weights(layout, run_id):
    """The files that train leaves beside its weights."""
    layout.weights.mkdir(parents=True, exist_ok=True)
    (layout.weights / "run.json").write_text(json.dumps({"run_id": run_id}))
    params = {"train": {"epochs": 2}, "source": {"path": "/data/DOE^JANE", "name": "table"}}
    (layout.weights / "params.json").write_text(json.dumps(params))
    (layout.weights / "history.csv").write_text("epoch,loss,auroc\n0,0.5,\n1,0.25,0.9\n")


def test_a_run_keeps_params_tags_and_every_step(layout):
    with tracking.training_run(layout, "a", {"train.epochs": "2"}, {"code.commit": "c"}) as run:
        for epoch in range(2):
            run.metrics(epoch, {"loss": 1 / (epoch + 1), "auroc": math.nan})
    found = stored(layout, run.id)
    assert found.info.status == "FINISHED"
    assert found.data.params == {"train.epochs": "2"}
    assert found.data.tags["code.commit"] == "c"
    history = store.client(layout).get_metric_history(run.id, "loss")
    assert [(each.step, each.value) for each in history] == [(0, 1.0), (1, 0.5)]


@pytest.mark.parametrize(
    ("error", "status"), [(ValueError, "FAILED"), (KeyboardInterrupt, "KILLED")]
)
def test_a_run_ends_as_it_ended(layout, error, status):
    with pytest.raises(error), tracking.training_run(layout, "a", {}, {}) as run:
        raise error
    assert stored(layout, run.id).info.status == status


def test_a_run_is_resumed_where_it_is_and_made_where_it_is_not(layout):
    with tracking.training_run(layout, "a", {"train.epochs": "2"}, {}) as first:
        first.metrics(0, {"loss": 1.0})
    params = {"train.epochs": "3", "train.seed": "7"}  # a parameter once written cannot change
    with tracking.training_run(layout, "a", params, {}, run_id=first.id) as second:
        second.metrics(1, {"loss": 0.5})
    assert second.id == first.id
    assert stored(layout, first.id).data.params == {"train.epochs": "2", "train.seed": "7"}
    with tracking.training_run(layout, "a", {}, {}, run_id="0" * 32) as third:
        pass
    assert third.id not in {"0" * 32, first.id}


def test_the_machines_load_is_measured(layout, monkeypatch):
    monkeypatch.setenv("MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL", "0.1")
    with tracking.training_run(layout, "a", {}, {}) as run:
        for _ in range(100):
            if any(name.startswith("system/") for name in stored(layout, run.id).data.metrics):
                break
    assert "system/cpu_utilization_percentage" in stored(layout, run.id).data.metrics


def test_what_may_name_a_person_is_not_stored(layout):
    params = {"source.path": "/d/DOE^JANE", "source.options.labels": "x", "source.name": "table"}
    with tracking.training_run(layout, "a", params, {}) as run:
        pass
    assert stored(layout, run.id).data.params == {"source.name": "table"}
    assert "mlflow.user" not in stored(layout, run.id).data.tags
    assert b"DOE" not in layout.home.tracking_database.read_bytes()


def test_more_metrics_and_params_than_fit_one_request(layout):
    params = {f"p{number}": "1" for number in range(250)}
    with tracking.training_run(layout, "a", params, {}) as run:
        run.metrics(0, {f"m{number}": 1.0 for number in range(1500)})
    found_params, found_metrics = tracking.measured(layout, run.id)
    assert len(found_params) == 250
    assert sum(name.startswith("m") for name in found_metrics) == 1500


def test_a_later_stage_adds_metrics_and_files(layout, tmp_path):
    page = tmp_path / "report.html"
    page.write_text("<html>")
    (tmp_path / "plots").mkdir()
    (tmp_path / "plots" / "roc.csv").write_text("x")
    with tracking.training_run(layout, "a", {}, {}) as run:
        pass
    found = {"auroc": 0.9, "ppv": None}
    paths = [page, tmp_path / "plots"]
    assert tracking.add_to_run(layout, run.id, found, paths, folder="evaluate") == run.id
    assert tracking.measured(layout, run.id)[1] == {"auroc": 0.9}
    kept = {path.name for path in layout.home.tracking_artifacts.rglob("evaluate/**/*")}
    assert kept == {"report.html", "plots", "roc.csv"}
    assert stored(layout, run.id).info.status == "FINISHED"


def test_weights_from_elsewhere_bring_their_run_once(layout):
    weights(layout, "f" * 32)
    first = tracking.ensure_run(layout)
    assert tracking.ensure_run(layout) == tracking.add_to_run(layout, "f" * 32, {}) == first
    found = stored(layout, first)
    assert found.data.tags[IMPORTED] == "f" * 32
    assert found.data.params == {"train.epochs": "2", "source.name": "table"}
    history = store.client(layout).get_metric_history(first, "loss")
    assert [(each.step, each.value) for each in history] == [(0, 0.5), (1, 0.25)]
    assert found.data.metrics["auroc"] == 0.9


def test_a_known_run_is_not_imported(layout):
    with tracking.training_run(layout, "a", {}, {}) as run:
        pass
    weights(layout, run.id)
    assert tracking.ensure_run(layout) == run.id


def test_without_weights_the_missing_stage_is_named(layout):
    with pytest.raises(MissingStageError, match="medpipe stage train level"):
        tracking.ensure_run(layout)


def test_a_broken_history_is_named_by_its_line(layout):
    weights(layout, "f" * 32)
    (layout.weights / "history.csv").write_text("epoch,loss\n0,much\n")
    with pytest.raises(TrackingError, match=r"history\.csv line 2"):
        tracking.ensure_run(layout)


@pytest.mark.slow
def test_processes_that_begin_together_make_one_whole_store(tmp_path):
    script = (
        "import sys; from pathlib import Path; from medpipe import tracking;"
        "from medpipe.paths import Layout;"
        "layout = Layout(Path(sys.argv[1]), 'level');\n"
        "with tracking.training_run(layout, 'a', {}, {}) as run: run.metrics(0, {'loss': 1.0})"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]
    pipes = {"stderr": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    started = [subprocess.Popen(command, **pipes) for _ in range(3)]
    said = [process.communicate(timeout=300) for process in started]
    assert [process.returncode for process in started] == [0, 0, 0], said
    assert said == [("", "")] * 3  # no migration log, no warning
