"""The page opens anywhere: nothing is loaded from elsewhere, nothing is taken for markup."""

import re
from html.parser import HTMLParser

import pytest

from medpipe.columns import Column
from medpipe.validation import page
from medpipe.validation.rules import Finding, Rule
from medpipe.validation.summary import Bar, ColumnSummary


class Question:
    name, title = "shade", "Is <this> bright?"


RULE = Rule("age_years.range", "range", ("age_years",), "age_years is at least 0 years")
SUMMARY = ColumnSummary(
    Column("age_years", "float", "age", unit="years"), 0.25, (Bar("0–5", 10), Bar("5–10", None))
)


def render(*findings):
    return page.render(
        Question(), findings, [SUMMARY], rows=1234, parts=2, version="abcdef0123456789"
    )


class Tags(HTMLParser):
    def __init__(self, html):
        super().__init__()
        self.found = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))


def test_nothing_is_loaded_from_another_place():
    html = render(Finding(RULE, passed=True))
    assert not re.search(r"https?://|//[a-z]|@import|url\(", html)
    tags = Tags(html).found
    assert not {"script", "link", "img", "iframe", "object"} & {tag for tag, _ in tags}
    assert not [a for _, a in tags if {"src", "href", "srcset"} & set(a)]


def test_what_a_workload_says_is_not_taken_for_markup():
    assert "Is &lt;this&gt; bright?" in render()


@pytest.mark.parametrize(
    ("finding", "verdict"),
    [
        (Finding(RULE, passed=True), "✓ Passed."),
        (Finding(RULE, passed=False, count=3, examples=("e1", "e2", "e3")), "✗ Stopped."),
        (
            Finding(Rule("z.own", "whole", (), "m", "warning"), passed=False),
            "✓ Passed with warnings.",
        ),
    ],
)
def test_the_verdict_is_told_first(finding, verdict):
    html = render(finding)
    assert verdict in html
    assert html.index(verdict) < html.index(finding.rule.name)


def test_broken_rules_come_first_with_their_number_and_without_ids():
    broken = Finding(Rule("z.range", "range", ("z",), "z is small"), False, 1500, ("e0001",))
    html = render(Finding(RULE, passed=True), broken)
    assert html.rindex("z.range") < html.rindex("age_years.range")
    assert "1,500" in html
    assert "e0001" not in html


def test_bars_are_drawn_to_scale():
    drawn = page.drawn([Bar("a", 10), Bar("b", 5), Bar("c", None), Bar("d", 0)], width=40)
    assert [(b.x, b.height) for b in drawn] == [(0, 48), (10, 24), (20, 2), (30, 0)]
    assert all(b.y + b.height == 48 for b in drawn)
    assert drawn[2].title == "c: fewer than 5"


def test_no_bar_at_all_is_drawn_as_nothing():
    assert page.drawn([]) == []
