"""The drawing of reasons: readable, whole, and with nothing that a browser would fetch or run."""

from xml.etree import ElementTree

import pytest

from medpipe.explanation.reasons import bars, strongest
from medpipe.workload import Reason

SVG = "{http://www.w3.org/2000/svg}"


def drawn(*reasons):
    picture = bars(reasons)
    assert picture.media_type == "image/svg+xml"
    return ElementTree.fromstring(picture.data)


def test_the_strongest_come_first_and_what_moved_nothing_is_left_out():
    given = [Reason("a", "1", 0.1), Reason("b", "2", -0.9), Reason("c", "3", 0.001)]
    assert [reason.what for reason in strongest(given)] == ["b", "a"]
    assert [reason.what for reason in strongest(given, count=1)] == ["b"]


def test_a_bar_s_length_and_side_are_its_effect():
    root = drawn(Reason("a", "1", 0.8), Reason("b", "2", -0.4))
    background, first, second = root.iter(f"{SVG}rect")
    assert float(first.get("width")) == 2 * float(second.get("width"))
    middle = float(first.get("x"))
    assert float(second.get("x")) + float(second.get("width")) == middle
    right = middle + float(first.get("width"))
    assert 0 < float(second.get("x")) < right < float(background.get("width"))
    assert {"a: 1", "+0.80", "b: 2", "-0.40"} <= {text.text for text in root.iter(f"{SVG}text")}


def test_text_is_escaped_and_nothing_is_fetched_or_run():
    data = bars([Reason("<script>", "x & y", 1.0)]).data
    assert b"&lt;script&gt;: x &amp; y" in data
    assert not [word for word in (b"<script", b"href", b"style", b"url(", b"@") if word in data]


@pytest.mark.parametrize("length", [10, 200])
def test_a_long_label_is_squeezed_into_its_place(length):
    label = next(
        t for t in drawn(Reason("w" * length, "1", 1.0)).iter(f"{SVG}text") if ":" in t.text
    )
    assert (label.get("textLength") is not None) == (length == 200)


def test_no_reason_is_said_in_words():
    (_, said) = drawn().iter(f"{SVG}text")
    assert said.text == "Nothing that was stated moved this answer."
