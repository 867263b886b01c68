"""What is measured of classes, labels and quantities, against second implementations."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.special import softmax
from sklearn import metrics as sk

from medpipe.columns import Column
from medpipe.config import EvaluateParams
from medpipe.errors import DataError, ParamsError
from medpipe.evaluation.measures import multiclass, multilabel, regression, resampling
from medpipe.evaluation.measures.contract import mean
from medpipe.evaluation.scored import Scored
from medpipe.objectives.multiclass import Multiclass
from medpipe.objectives.multilabel import Multilabel
from medpipe.objectives.regression import Regression

PARAMS = EvaluateParams(resamples=100)
GRADE = multiclass.Measured(Multiclass([Column("grade", "int", "grade", low=0, high=2)]))
SIGNS = multilabel.Measured(Multilabel([Column(n, "int", n) for n in ("fever", "rash")]))
STAY = regression.Measured(Regression([Column("stay", "float", "stay", unit="days")]))


def grades(seed=0, rows=300, better=0.0):
    """Classes with some noise in the logits, two rows for each patient."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 3, rows)
    logits = (1 + better) * np.eye(3)[truth] + rng.normal(size=(rows, 3))
    return Scored(pd.DataFrame({"label": truth, "group": np.arange(rows) // 2}), logits)


def signs(seed=0, rows=300):
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 2, (rows, 2)).astype(float)
    logits = 1.5 * truth + rng.normal(size=(rows, 2))
    truth[rng.random(truth.shape) < 0.2] = np.nan
    frame = pd.DataFrame(truth, columns=["fever", "rash"]).assign(group=np.arange(rows) // 2)
    return Scored(frame, logits)


def stays(seed=0, rows=300, noise=1.0):
    rng = np.random.default_rng(seed)
    outputs = rng.normal(size=rows)
    truth = 10 + 3 * outputs + noise * rng.normal(size=rows)
    return Scored(pd.DataFrame({"label": truth, "group": np.arange(rows) // 2}), outputs)


CASES = [(GRADE, grades), (SIGNS, signs), (STAY, stays)]
IDS = ["multiclass", "multilabel", "regression"]


def macro(metric):
    return lambda y, p: np.mean([metric(y == k, p[:, k]) for k in range(3)])


@pytest.mark.parametrize(
    ("name", "reference"),
    [
        ("auroc", lambda y, p: sk.roc_auc_score(y, p, multi_class="ovr")),
        ("auprc", macro(sk.average_precision_score)),
        ("balanced_accuracy", lambda y, p: sk.balanced_accuracy_score(y, p.argmax(1))),
        ("f1", lambda y, p: sk.f1_score(y, p.argmax(1), average="macro")),
        ("accuracy", lambda y, p: sk.accuracy_score(y, p.argmax(1))),
        ("brier", lambda y, p: 3 * macro(sk.brier_score_loss)(y, p)),
    ],
)
def test_multiclass_metrics_agree_with_scikit_learn(name, reference):
    scored = grades()
    truth, shares = scored.labels, softmax(scored.logits, axis=1)
    found = resampling.values(multiclass.functions(truth, shares), len(truth))
    assert found[name] == pytest.approx(reference(truth, shares))


def test_multilabel_metrics_are_means_over_the_rows_that_are_known():
    scored, point = signs(), multilabel.Points((1.0, 1.0), (0.5, 0.7))
    truth, risks = SIGNS.truth(scored), SIGNS.risks(scored, point)
    found = resampling.values(multilabel.functions(truth, risks, point), len(truth))
    areas, finds = [], []
    for k, at in enumerate(point.thresholds):
        known = ~np.isnan(truth[:, k])
        areas.append(sk.roc_auc_score(truth[known, k], risks[known, k]))
        finds.append(sk.recall_score(truth[known, k], risks[known, k] >= at))
    assert found["auroc"] == pytest.approx(np.mean(areas))
    assert found["sensitivity"] == pytest.approx(np.mean(finds))


def test_regression_metrics_agree_with_scikit_learn_and_scipy():
    scored = stays()
    truth, answers = STAY.truth(scored), np.round(10 + 3 * scored.logits)  # rounding makes ties
    found = resampling.values(regression.functions(truth, answers), len(truth))
    assert found["r2"] == pytest.approx(sk.r2_score(truth, answers))
    assert found["mae"] == pytest.approx(sk.mean_absolute_error(truth, answers))
    assert found["rmse"] == pytest.approx(sk.root_mean_squared_error(truth, answers))
    assert found["spearman"] == pytest.approx(stats.spearmanr(truth, answers).statistic)
    assert found["calibration_slope"] == pytest.approx(np.polyfit(answers, truth, 1)[0])
    assert found["calibration_intercept"] == pytest.approx(np.mean(truth - answers))


def test_a_weight_of_two_is_a_row_that_stands_twice():
    scored = stays(rows=40)
    truth, answers = STAY.truth(scored), np.round(10 + 3 * scored.logits)
    times = np.random.default_rng(1).integers(0, 3, 40)
    repeated = regression.functions(np.repeat(truth, times), np.repeat(answers, times))
    for name, function in regression.functions(truth, answers).items():
        expected = repeated[name](np.ones((1, times.sum())))
        assert function(times[None].astype(float)) == pytest.approx(expected), name


@pytest.mark.parametrize(("measures", "made"), CASES, ids=IDS)
def test_a_model_does_not_differ_from_itself(measures, made):
    point = measures.operating_point(made(1), PARAMS)
    side = (made(2), point)
    for name in measures.better:
        if name == "coverage":
            continue
        found = measures.paired(name, side, side, PARAMS)
        assert (found["difference"], found["low"], found["high"]) == (0, 0, 0)


@pytest.mark.parametrize("metric", ["auroc", "f1", "ece"])
def test_swapping_the_models_mirrors_the_interval(metric):
    point = multiclass.Temperature(1.0)
    first, second = grades(3), Scored(grades(3).frame, grades(3, better=0.5).logits)
    one = GRADE.paired(metric, (first, point), (second, point), PARAMS)
    other = GRADE.paired(metric, (second, point), (first, point), PARAMS)
    assert one["difference"] == pytest.approx(-other["difference"])
    assert one["low"] == pytest.approx(-other["high"], abs=1e-12)


def test_a_metric_that_is_not_known_is_named_with_those_that_are():
    side = (stays(), regression.Line(10, 3, 1, 0.9))
    with pytest.raises(ParamsError, match="no metric 'auroc' can be compared; there are: r2, mae"):
        STAY.paired("auroc", side, side, PARAMS)


def test_the_mean_area_has_the_error_that_resampling_patients_finds():
    scored = grades(rows=400)
    truth, shares, groups = scored.labels, softmax(scored.logits, axis=1), scored.groups
    found = mean(multiclass._areas(truth, shares, groups))
    params = EvaluateParams(resamples=1000)
    drawn = resampling.draws(multiclass.functions(truth, shares), groups, params)["auroc"]
    assert found.error == pytest.approx(drawn.std(), rel=0.1)


def test_the_temperature_undoes_logits_that_are_too_sure():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(4000, 3))
    truth = np.array([rng.choice(3, p=row) for row in softmax(logits, axis=1)])
    frame = pd.DataFrame({"label": truth, "group": np.arange(4000)})
    point = GRADE.operating_point(Scored(frame, 3 * logits), PARAMS)
    assert point.temperature == pytest.approx(3, rel=0.1)


def test_a_class_that_val_lacks_is_named():
    scored = grades()
    two = scored[scored.labels < 2]
    with pytest.raises(DataError, match="val has no example of 2"):
        GRADE.operating_point(two, PARAMS)


def test_each_label_has_a_threshold_that_finds_what_it_must():
    val = signs(rows=2000)
    point = SIGNS.operating_point(val, PARAMS)
    measured = SIGNS.measure(val, point, PARAMS)
    for part in measured["parts"].values():
        assert part["metrics"]["sensitivity"]["value"] == pytest.approx(0.9, abs=0.005)
    assert {part["known"] < 2000 for part in measured["parts"].values()} == {True}


def test_the_line_puts_answers_right_that_were_not():
    val = stays(noise=0.0)  # the objective's own mean and std are 0 and 1: far off
    point = STAY.operating_point(val, PARAMS)
    assert (point.offset, point.scale) == (pytest.approx(10), pytest.approx(3))
    assert point.half_width == pytest.approx(0, abs=1e-5)  # labels are float32


def test_a_network_that_orders_the_wrong_way_round_is_given_the_mean_and_not_turned():
    val = stays()
    point = STAY.operating_point(Scored(val.frame, -val.logits), PARAMS)
    assert (point.scale, point.offset) == (0, pytest.approx(val.frame["label"].mean()))


def test_a_range_that_val_is_too_small_for_is_refused():
    with pytest.raises(DataError, match=r"val has 8 patients; .* needs 9"):
        STAY.operating_point(stays(rows=16), PARAMS)


def test_ranges_hold_the_truth_of_new_patients_as_often_as_they_say():
    held = []
    for seed in range(40):
        point = STAY.operating_point(stays(seed, rows=100), PARAMS)
        new = stays(1000 + seed, rows=200)
        held.append(np.mean(np.abs(STAY.truth(new) - STAY.answers(new, point)) <= point.half_width))
    assert 0.88 < np.mean(held) < 0.93


def test_evaluation_measures_the_very_answers_that_the_service_gives():
    """Of a stay of 0 days or more whose line, 1 + 3 · output, goes below."""
    label = Column("stay", "float", "stay", unit="days", low=0)
    short = regression.Measured(Regression([label]))
    outputs = np.array([-1.0, 0.0, 1.0, 2.0])
    scored = Scored(pd.DataFrame({"label": [0.0, 2, 4, 7], "group": [1, 2, 3, 4]}), outputs)
    point = regression.Line(1, 3, 1.5, 0.9)
    answers = [short.objective.answer(output, point)["value"] for output in outputs]
    assert answers == short.columns(scored, point)["answer"].tolist() == [0, 1, 4, 7]
    found = short.measure(scored, point, PARAMS)["metrics"]
    assert found["mae"]["value"] == pytest.approx(0.25)  # errors 0, 1, 0, 0; uncut: 2, 1, 0, 0
    assert found["coverage"]["value"] == 1
    report = {"operating_point": point.as_json()}
    assert short.formula(report) == "answer = 1 + 3 · output days, not below 0"


def test_the_same_errors_in_a_subgroup_of_little_variance_are_no_gap():
    scored = stays(rows=2000)
    middle = np.abs(scored.frame["label"].to_numpy() - 10) < 1000 * (scored.logits**2 < 0.05)
    point = regression.Line(10, 3, 1, 0.9)
    gap = STAY.gap(scored, point, middle, PARAMS)
    own = STAY.measure(scored[middle], point, PARAMS)["metrics"]["r2"]["value"]
    assert own < 0.5  # its own variance makes it look bad
    assert gap.low < 0 < gap.high


@pytest.mark.parametrize(("measures", "made"), CASES, ids=IDS)
def test_a_point_survives_json(measures, made):
    point = measures.operating_point(made(), PARAMS)
    assert measures.point(point.as_json()) == point


@pytest.mark.parametrize(("measures", "made"), CASES, ids=IDS)
def test_examples_are_chosen_by_rule_and_said_in_words(measures, made):
    scored = made(rows=60)
    scored = Scored(scored.frame.assign(example=[f"e{i:02d}" for i in range(60)]), scored.logits)
    chosen = measures.choose(scored, measures.operating_point(made(5), PARAMS), count=6)
    assert [one.good for one in chosen] == [True] * 3 + [False] * 3
    assert all(one.answer for one in chosen)
    assert len({one.example for one in chosen}) == 6
