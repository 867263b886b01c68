"""Killed at any moment: what is there is either the old state or repaired by the next promote."""

import pytest

from medpipe import files, tracking

STEPS = (
    (tracking, "register"),
    (tracking, "set_alias"),
    (tracking, "attach"),
    (tracking, "tag_version"),
    (tracking, "add_to_run"),
    (tracking, "set_model_tag"),
    (tracking, "download"),
    (files, "new_folder"),
    (files, "new_file"),
)
"""Everything that promotion writes with."""


def moments(steps, quick):
    """Before and after each of `steps`; all but the `quick` ones are for the whole suite only."""
    for step in steps:
        for after in (False, True):
            marks = () if (step[1], after) in quick else pytest.mark.slow
            name = f"{'after' if after else 'before'} {step[1]}"
            yield pytest.param(step, after, marks=marks, id=name)


COMMIT = {("set_model_tag", False), ("set_model_tag", True)}
MOMENTS = list(moments(STEPS, COMMIT | {("attach", True), ("new_folder", True)}))
ROLLBACK = list(moments(STEPS[1:2] + STEPS[5:8], {("set_model_tag", True)}))


class Killed(BaseException):
    """What no handler of ours may catch."""


def kill_at(monkeypatch, module, name, *, call, after):
    """The `call`-th use of `module.name` dies, before or after it has done its work."""
    real, count = getattr(module, name), [0]

    def dying(*arguments, **options):
        count[0] += 1
        if count[0] != call:
            return real(*arguments, **options)
        if after:
            made = real(*arguments, **options)
            if hasattr(made, "__enter__"):
                with made:
                    raise Killed
        raise Killed

    monkeypatch.setattr(module, name, dying)
    return count


def die(monkeypatch, step, *, call, after, doing):
    """Whether `doing` was killed."""
    with monkeypatch.context() as patched:
        kill_at(patched, *step, call=call, after=after)
        try:
            doing()
        except Killed:
            return True
    return False


@pytest.mark.parametrize(("step", "after"), MOMENTS)
def test_a_killed_promotion_is_ended_by_the_next(project, monkeypatch, step, after):
    project.train(4.0, 0.3)
    project.promote()
    project.train(4.0, 0.0)
    assert die(monkeypatch, step, call=1, after=after, doing=project.promote)
    assert project.status()["champion"] in {"1", "2"}
    outcome = project.promote()
    status = project.status()
    assert (outcome["champion"], status["champion"], status["previous"]) == ("2", "2", "1")
    assert (status["fits"], status["sequence"]) == (True, 2)


@pytest.mark.parametrize("after", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_a_kill_between_the_aliases_is_told_and_repaired(project, monkeypatch, after):
    project.train(4.0, 0.3)
    project.promote()
    project.train(4.0, 0.0)
    step = (tracking, "set_alias")
    call = 2 if after else 3  # candidate, champion, previous: the folder has followed before
    assert die(monkeypatch, step, call=call, after=after, doing=project.promote)
    assert not project.status()["fits"]
    project.promote()
    assert project.status()["fits"]


@pytest.mark.parametrize(("step", "after"), ROLLBACK)
def test_a_killed_rollback_is_ended_by_the_next(project, monkeypatch, step, after):
    for noise in (0.3, 0.0):
        project.train(4.0, noise)
        project.promote()
    assert die(monkeypatch, step, call=1, after=after, doing=project.rollback)
    outcome = project.rollback()
    status = project.status()
    assert (outcome["version"], status["champion"], status["fits"]) == ("1", "1", True)
    assert (status["withdrawn"], status["sequence"]) == (["2"], 3)


def test_a_first_promotion_that_was_killed_leaves_no_champion_or_a_whole_one(project, monkeypatch):
    project.train(4.0, 0.0)
    step = (tracking, "set_model_tag")
    assert die(monkeypatch, step, call=1, after=False, doing=project.promote)
    assert project.status()["champion"] is None
    assert not project.layout.champion.exists()
    assert project.promote()["champion"] == "1"
