"""A report says what is so, what is undefined, and is the same for a candidate and a champion."""

import copy
import json
from functools import cache
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

from medpipe.columns import COMMON, Column
from medpipe.config import EvaluateParams
from medpipe.errors import DataError
from medpipe.evaluation import examples, familiar, page, plots, words
from medpipe.evaluation import measures as measured
from medpipe.evaluation.changed import EXAMPLES, Trials
from medpipe.evaluation.curves import curves
from medpipe.evaluation.latency import latency
from medpipe.evaluation.measures import binary_words
from medpipe.evaluation.measures.binary import OperatingPoint
from medpipe.evaluation.measures.contract import Chosen, write_tables
from medpipe.evaluation.report import report_for
from medpipe.evaluation.robustness import robustness
from medpipe.evaluation.sample import Sample
from medpipe.evaluation.scored import Scored
from medpipe.evaluation.subgroups import subgroups
from medpipe.serving.session import Bound, Judged
from medpipe.workload import Picture

COLUMNS = (
    *COMMON,
    Column("sex", "category", "as recorded", subgroup=True),
    Column("age", "float", "when filmed", unit="years", subgroup=True),
    Column("bits", "int", "no subgroup"),
)
PARAMS = EvaluateParams(resamples=100)
POINT = OperatingPoint(1.0, 0.5)
LIMIT = Bound(2.5, 0.99)
PICTURE = Picture("image/png", b"\x89PNG")


class Question:
    """The three things that a report asks of a workload."""

    columns = COLUMNS
    objective = "binary"
    label_columns = ("label",)


MEASURES = measured.of(Question())
MEASURED = {"measures": MEASURES, "point": POINT, "limit": LIMIT, "params": PARAMS}


def split(seed: int, rows: int = 240) -> Scored:
    rng = np.random.default_rng(seed)
    labels = rng.random(rows) < 0.5
    frame = pd.DataFrame(
        {
            "example": [f"e{seed}{i:04d}" for i in range(rows)],
            "group": [f"g{i // 2}" for i in range(rows)],
            "site": "s1",
            "label": labels.astype(int),
            "sex": pd.Series(np.where(rng.random(rows) < 0.5, "F", "M")).where(
                rng.random(rows) < 0.9
            ),
            "age": rng.uniform(10, 90, rows),
        }
    )
    logits = 3 * (labels - 0.5) + 1.5 * rng.normal(size=rows)
    return Scored(frame, logits, rng.uniform(0.5, 1.5, rows))


def whole_report(**changes: object) -> dict:
    return copy.deepcopy(_measured()) | changes


@cache
def _measured() -> dict:
    scored = {"val": split(1), "test": split(2)}
    facts = {
        "workload": "ask", "title": "A <question>", "label": "has_it", "looked_for": "the illness",
        "intended_use": "Tests.", "not_for": "Patients.", "run_id": "a" * 32,
        "created": "2026-01-02T03:04:05+00:00",
        "variant": "fp32", "artefact_sha256": "b" * 64, "size_mib": 1.5,
        "parity": {"probability_p95": 1e-6, "auroc_lost": 0.0}, "params": {},
        "data": {"raw_version": "c" * 64, "commit": "d" * 40}, "robustness": [],
        "receipt": {
            "digest": "e" * 64, "clean": True, "problems": [], "by": "group", "counts": {},
            "left_out": {"without_label": 12, "died in hospital": 34, "copy_on_another_side": 0},
        },
        "validation": {"passed": True, "failed": []},
        "latency_ms": {"p50": 1.0, "p95": 2.0, "runs": 50}, "baseline": None,
        "artefacts": [],
    }  # fmt: skip
    point = MEASURES.operating_point(scored["val"], PARAMS)
    limit = familiar.bound(scored["val"], PARAMS.familiar.share)
    facts["familiar"] = familiar.section(scored, limit, COLUMNS, [], PARAMS)
    return facts | report_for(Question(), MEASURES, PARAMS, scored, point)


class Page(HTMLParser):
    """Everything that a browser would fetch, and images without a text."""

    def __init__(self) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.silent = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.fetched += [v or "" for k, v in attrs if k in ("src", "href", "srcset", "data")]
        self.silent += tag == "img" and not found.get("alt")
        assert tag != "script"


def test_report_is_json_and_has_what_the_gate_reads():
    report = json.loads(json.dumps(whole_report(), allow_nan=False))
    assert set(report["splits"]["test"]["metrics"]["auroc"]) >= {"value", "low", "high"}
    assert report["splits"]["external"] is None
    assert report["calibration"].keys() >= {"temperature", "ece_before", "ece_after"}
    assert report["threshold"].keys() == {"value", "rule", "at"}


def test_report_of_the_same_scores_is_the_same_report():
    point = OperatingPoint(1.3, 0.4)
    first, second = (
        report_for(Question(), MEASURES, PARAMS, {"test": split(2)}, point) for _ in range(2)
    )
    assert first == second
    assert first["splits"]["val"] is None


def test_threshold_reaches_its_sensitivity_on_val():
    report = whole_report()
    assert report["splits"]["val"]["metrics"]["sensitivity"]["value"] >= PARAMS.threshold.at


def test_logits_that_are_not_finite_are_refused():
    with pytest.raises(DataError, match="1 of 240 logits are not finite"):
        Scored(split(1).frame, np.r_[np.nan, np.zeros(239)])


def test_logits_of_other_rows_are_refused():
    with pytest.raises(DataError, match="3 logits for 240 examples"):
        Scored(split(1).frame, np.zeros(3))


def test_subgroups_cover_every_example_of_every_column():
    test = split(2)
    found = subgroups(MEASURES, test, POINT, COLUMNS, PARAMS)
    by_column = pd.DataFrame(found).groupby("column")["examples"].sum()
    assert by_column.to_dict() == {"site": 240, "sex": 240, "age": 240}
    assert {e["value"] for e in found if e["column"] == "sex"} == {"F", "M", "not known"}
    ages = [e["value"] for e in found if e["column"] == "age"]
    assert ages == ["0–17", "18–39", "40–64", "65 and above"]


def test_nobody_is_too_old_for_a_band():
    frame = pd.DataFrame({"group": ["a", "b"], "label": [0, 1], "age": [130.0, 65.0]})
    (found,) = subgroups(MEASURES, Scored(frame, np.array([-2.0, 2.0])), POINT, COLUMNS, PARAMS)
    assert (found["value"], found["examples"]) == ("65 and above", 2)


def test_subgroup_that_is_the_whole_or_too_small_is_not_judged():
    test = split(2)
    rare = test.frame.assign(sex=["F"] * 5 + ["M"] * 235)
    found = subgroups(MEASURES, Scored(rare, test.logits), POINT, COLUMNS, PARAMS)
    why = {(e["column"], e["value"]): e["why"] for e in found if not e["judged"]}
    assert why[("site", "s1")] == "every example has this value: it is the whole"
    assert why[("sex", "F")] == "5 examples; 20 are needed"


def test_gap_is_above_zero_where_the_subgroup_is_served_worse():
    test = split(2)
    women = (test.frame["sex"] == "F").to_numpy()
    logits = np.where(women, np.random.default_rng(0).normal(size=240), test.logits)
    found = subgroups(MEASURES, Scored(test.frame, logits), POINT, COLUMNS, PARAMS)
    gaps = {e["value"]: e["gap"]["auroc"] for e in found if e["column"] == "sex" and e["judged"]}
    assert gaps["F"]["low"] > 0
    assert gaps["M"]["high"] < 0


def test_robustness_measures_what_a_change_costs():
    rng = np.random.default_rng(0)
    labels = rng.random(600) < 0.5
    inputs = {"x": (labels + rng.normal(size=600)).astype(np.float32)}
    frame = pd.DataFrame({"label": labels, "group": np.arange(600)})
    found = robustness(
        {
            "nothing": lambda batch, rng: batch,
            "noise": lambda batch, rng: {"x": batch["x"] + 3 * rng.normal(size=len(batch["x"]))},
        },
        Trials(lambda batch: Judged(batch["x"], abs(batch["x"])), inputs, frame, seed=0),
        **MEASURED,
    )
    assert [row["examples"] for row in found] == [EXAMPLES, EXAMPLES]
    assert found[0]["gain"] == {"difference": 0, "low": 0, "high": 0}
    assert found[1]["gain"]["high"] < 0
    assert found[0]["flagged"]["high"] < found[1]["flagged"]["low"]


def test_no_changes_no_robustness():
    frame = pd.DataFrame({"label": [1], "group": [1]})
    assert robustness({}, Trials(Judged, {}, frame, seed=0), **MEASURED) == []


def test_examples_are_chosen_by_rule():
    names = list("abcdefgh")
    labels = np.array([1, 1, 1, 1, 1, 0, 0, 0])
    risks = np.array([0.9, 0.7, 0.6, 0.1, 0.3, 0.8, 0.95, 0.2])
    chosen = examples.choose(names, labels, risks, at=0.5, count=6)
    # finds: median of .9 .7 .6 is .7, then .6; misses: .1 .3; false alarms: .95 .8
    assert [c.example for c in chosen] == ["b", "c", "d", "e", "g", "f"]
    assert [c.kind for c in chosen] == ["found"] * 2 + ["missed"] * 2 + ["false alarm"] * 2


def test_where_nothing_is_wrong_only_finds_are_shown():
    chosen = examples.choose(
        list("abc"), np.array([1, 1, 0]), np.array([0.9, 0.8, 0.1]), at=0.5, count=6
    )
    assert [c.kind for c in chosen] == ["found", "found"]


def test_curves_are_thin_whole_and_written_as_csv(tmp_path):
    rng = np.random.default_rng(0)
    labels = rng.random(5000) < 0.3
    scores = np.clip(rng.random(5000) + 0.3 * labels, 0, 1)
    found = curves(Sample.of(labels, scores, np.arange(5000)), at=0.5)
    write_tables(tmp_path, plots.drawn(found, whole_report()))
    roc = pd.read_csv(tmp_path / "roc.csv")
    assert len(roc) <= 203
    assert roc.iloc[[0, -1], :2].to_numpy().tolist() == [[0, 0], [1, 1]]
    cells = pd.read_csv(tmp_path / "confusion.csv", index_col="truth")
    assert cells["flagged"].iloc[0] == (labels & (scores >= 0.5)).sum()
    assert cells.to_numpy().sum() == 5000


def test_every_picture_of_the_page_is_a_file_of_its_own_and_confusion_another(tmp_path):
    report = whole_report()
    drawn = MEASURES.draw(split(2), MEASURES.point(report["operating_point"]), report)
    plots.write(tmp_path, drawn)
    found = {path.stem: ElementTree.parse(path).getroot() for path in tmp_path.iterdir()}
    assert set(found) == {"roc", "pr", "calibration", "decision_curve", "confusion"}
    told = "".join(found["confusion"].itertext()).split()
    counts = [str(count) for _, cells in drawn.cross.rows for count, _, _ in cells]
    assert [word for word in told if word.isdigit()] == counts


def test_folders_of_plots_and_curves_are_there_where_nothing_can_be_drawn(tmp_path):
    plots.write(tmp_path / "plots", None)
    write_tables(tmp_path / "curves", None)
    assert [list((tmp_path / name).iterdir()) for name in ("plots", "curves")] == [[], []]


def test_page_loads_nothing_escapes_text_and_describes_images():
    report = whole_report()
    point = MEASURES.point(report["operating_point"])
    shown = [page.Explained(Chosen(1, "e20001", "missed", "risk 20 %", False), PICTURE)]
    html = page.render(report, MEASURES, MEASURES.draw(split(2), point, report), shown)
    seen = Page()
    seen.feed(html)
    assert all(url.startswith(("data:", "#")) for url in seen.fetched)
    assert seen.silent == 0
    assert "A &lt;question&gt;" in html
    assert "url(http" not in html
    assert "@import" not in html


def test_drawings_of_records_are_shown_at_full_size_and_photographs_in_a_row():
    report, chosen = whole_report(), Chosen(1, "e20001", "missed", "risk 20 %", False)
    drawing = Picture("image/svg+xml", b"<svg/>")
    pages = {
        kind: page.render(report, MEASURES, None, [page.Explained(chosen, picture)])
        for kind, picture in (("charts", drawing), ("examples", PICTURE))
    }
    assert all(f'<div class="grid {kind}">' in html for kind, html in pages.items())


def test_page_of_one_class_still_says_what_is_known():
    labels = {"label": 1}
    test = Scored(split(2).frame.assign(**labels), split(2).logits)
    report = whole_report() | report_for(
        Question(), MEASURES, PARAMS, {"test": test}, OperatingPoint(1, 0.5)
    )
    html = page.render(json.loads(json.dumps(report, allow_nan=False)), MEASURES, None, [])
    assert "Not defined: 240 positive and 0 negative examples" in html
    assert "lacks a class" in html


def test_headline_speaks_of_people_in_hundreds():
    report = whole_report()
    metrics = report["splits"]["test"]["metrics"]
    metrics["sensitivity"] = {"value": 0.93, "low": 0.882, "high": 0.966}
    said = {s.name: s.meaning for s in binary_words.headline(report)}
    assert said["Sensitivity"] == "Of 100 examples with the illness, 93 are found (88–97)."


@pytest.mark.parametrize(
    ("share", "text"), [(0.996, "99.6"), (1.0, "100"), (0.004, "0.4"), (0.0, "0"), (0.934, "93")]
)
def test_almost_all_is_not_called_all(share, text):
    assert words.hundredths(share) == text


def test_alerts_name_what_makes_the_figures_doubtful():
    report = whole_report(validation={"passed": False, "failed": []})
    report["splits"]["test"]["metrics"]["auroc"] = {"value": 0.6, "low": 0.45, "high": 0.7}
    said = " ".join([*MEASURES.alerts(report), *words.alerts(report)])
    assert "cannot be told from chance" in said
    assert "broke a rule" in said
    assert [*MEASURES.alerts(whole_report()), *words.alerts(whole_report())] == []


def test_latency_counts_encoding_and_scoring_of_one_example():
    class Slow:
        def encode(self, row, state):
            seen.append(row["n"])
            return {"x": np.zeros(3)}

    seen: list[int] = []
    found = latency(Slow(), {}, [{"n": 0}, {"n": 1}], lambda b: b["x"].sum(1), runs=5)
    assert found["runs"] == 5
    assert 0 < found["p50"] <= found["p95"] < 1000
    assert seen == [0, 1, 0, 1, 0, 1, 0, 1]  # three to warm up, five counted
    assert latency(Slow(), {}, [], len, runs=5) == {"p50": None, "p95": None, "runs": 0}


def test_page_says_who_was_left_out_and_why():
    report = whole_report()
    assert words.left_out(report) == [("died in hospital", 34), ("no label is known", 12)]
    html = page.render(report, MEASURES, None, [])
    assert "<li>34 examples: died in hospital</li><li>12 examples: no label is known</li>" in html


def against(difference: float, low: float, high: float) -> dict:
    paired = {"difference": difference, "low": low, "high": high}
    return {
        "method": "trees", "examples": 100, "features": 7, "difference": {"auroc": paired},
        "metrics": {"auroc": {"value": 0.861, "low": 0.84, "high": 0.88}},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("difference", "said", "alert"),
    [
        ((0.012, -0.003, 0.027), "higher by 0.012 (−0.003 to 0.027)", ""),
        ((-0.012, -0.027, 0.003), "lower by 0.012 (−0.003 to 0.027)", "does no worse"),
        ((-0.02, -0.03, -0.01), "lower by 0.020 (0.010–0.030)", "does better"),
    ],
)
def test_page_sets_the_network_beside_gradient_boosting(difference, said, alert):
    report = whole_report(baseline=against(*difference))
    html = page.render(report, MEASURES, None, [])
    assert "Gradient boosting on the same patients: 0.861 (0.840–0.880)." in html
    assert said in html
    assert alert in " ".join(words.alerts(report))
    assert len(words.alerts(report)) == bool(alert)
