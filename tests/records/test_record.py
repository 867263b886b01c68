"""A record of a request is held against its columns, and no text of it is repeated."""

import json
import math

import pytest
from asked_question import GOOD, Question

from medpipe.errors import UnreadableError
from medpipe.records import record


def refused(**changes) -> str:
    with pytest.raises(UnreadableError) as caught:
        record.parsed(json.dumps(GOOD | changes).encode(), Question())
    assert caught.value.fault == "content"
    return str(caught.value)


def test_only_what_the_source_cannot_compute_or_answer_is_asked():
    names = [column.name for column in record.asked(Question())]
    assert names == ["age_years", "visits", "sex", "smokes", "seen_on", "creatinine"]


def test_a_record_comes_out_typed_and_complete():
    assert record.parsed(json.dumps(GOOD).encode(), Question()) == {
        "age_years": 50.0,
        "visits": None,
        "sex": None,
        "smokes": None,
        "seen_on": None,
        "creatinine": [(0.5, 1.2), (47.0, 3.0)],
    }


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"creatinine": [[1, 900]]}, "900 mg/dL; allowed: pairs of hour and value: numbers from "),
        ({"creatinine": [[10_000, 1]]}, "10000 h; allowed: numbers from 0 to 48 h"),
        ({"creatinine": [[1, 2, 3]]}, "write [hour, value]"),
        ({"creatinine": 3.0}, "creatinine is not a list"),
        ({"creatinine": [[1, math.nan]]}, "is nan; leave out what is not known"),
        ({"age_years": math.inf}, "age_years is inf; leave out what is not known"),
        ({"age_years": "fifty"}, "age_years is not a number; allowed: numbers from 0 to 120 years"),
        ({"age_years": None}, "age_years is missing"),
        ({"age_years": True}, "age_years is not a number"),
        ({"visits": 1.5}, "visits is 1.5; allowed: whole numbers from 0 to 50"),
        ({"sex": "female"}, "sex is not one of F, M"),
        ({"smokes": 1}, "neither true nor false"),
        ({"seen_on": "31 May"}, "seen_on is no day"),
        ({"creatinin": [[1, 1]]}, "field 3 of the request is not one that is asked for; did you "),
        ({"digest": "x"}, "field 3 of the request is not one that is asked for"),
    ],
)
def test_a_wrong_value_is_refused_with_its_field_and_limits(changes, said):
    assert said in refused(**changes)


def test_text_of_a_request_is_never_repeated():
    said = refused(**{"Doe^Jane": "1970-05-31", "sex": "Jane Doe", "age_years": "Jane"})
    assert "Doe" not in said
    assert "Jane" not in said


def test_a_refusal_lists_some_problems_and_counts_the_rest():
    said = refused(**{f"unasked {number}": 1 for number in range(20)})
    assert said.endswith("and 12 more")


@pytest.mark.parametrize(("body", "said"), [(b"{", "not JSON"), (b"[1]", "one JSON object")])
def test_what_is_no_object_is_refused(body, said):
    with pytest.raises(UnreadableError, match=said):
        record.parsed(body, Question())


def test_what_was_not_stated_is_named_in_words():
    columns = record.asked(Question())
    assert record.missing({"age_years": 50, "creatinine": []}, columns)[-1] == "creatinine"
    assert "seen on" in record.missing({}, columns)


def test_each_problem_is_told_with_its_place():
    with pytest.raises(UnreadableError) as caught:
        record.checked({"age_years": 500, "creatinine": [[1, 1], [2, 900]], "x": 1}, Question())
    assert [place for place, _ in caught.value.problems] == ["", "/age_years", "/creatinine/1/1"]
    assert "; ".join(said for _, said in caught.value.problems) == str(caught.value)


def test_a_number_beyond_any_is_refused():
    assert "age_years is beyond any number" in refused(age_years=10**400)


def test_what_was_fine_before_is_checked_as_if_never_seen():
    columns = record.asked(Question())
    check = record.Check(columns)
    rows = [
        *(GOOD, GOOD | {"sex": "F"}, GOOD | {"smokes": True}, GOOD | {"visits": 1}),
        *(GOOD | {"sex": "x"}, GOOD | {"smokes": 1}, GOOD | {"visits": True}, {}),
        *(GOOD | {"creatinine": [[1, 900]]}, GOOD | {"sex": ["F"]}),
    ]
    for row in rows * 2:
        try:
            expected = record.read(row, columns) and None
        except UnreadableError as error:
            expected = error.problems
        try:
            found = check(row)
        except UnreadableError as error:
            found = error.problems
        assert found == expected
