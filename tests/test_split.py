"""The split: a patient never moves, never stands twice, and the receipt says so."""

import json
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medpipe import split
from medpipe.config import SplitParams
from medpipe.errors import DataError

groups = st.lists(st.text(min_size=1, max_size=8), min_size=1, max_size=40)
shares = st.tuples(st.floats(0.05, 0.4), st.floats(0.05, 0.4))


def columns(group, site=None, published=None):
    none = [None] * len(group)
    return {"group": group, "site": site or none, "published": published or none}


def examples(group, side, **more):
    names = np.array([f"e{i}" for i in range(len(group))], dtype=object)
    arrays = {k: np.array(v, dtype=object) for k, v in more.items()}
    return split.Examples(
        names, np.array(group, dtype=object), np.array(side, dtype=object), **arrays
    )


@settings(deadline=None)
@given(groups, groups, shares)
def test_new_patients_never_move_an_old_one(old, new, share):
    rule = SplitParams(val=share[0], test=share[1])
    before = split.assign(columns(old), rule)
    after = split.assign(columns(old + new), rule)
    assert list(after[: len(old)]) == list(before)


@given(groups, shares)
def test_no_patient_stands_on_two_sides(group, share):
    sides = split.assign(columns(group * 2), SplitParams(val=share[0], test=share[1]))
    of = dict(zip(group * 2, sides, strict=True))
    assert [of[g] for g in group * 2] == list(sides)


@given(groups, st.randoms())
def test_order_does_not_matter(group, random):
    shuffled = list(group)
    random.shuffle(shuffled)
    sides = [
        dict(zip(g, split.assign(columns(g), SplitParams()), strict=True))
        for g in (group, shuffled)
    ]
    assert sides[0] == sides[1]


@settings(max_examples=10, deadline=None)
@given(shares, st.text(max_size=10))
def test_shares_come_close_to_those_asked_for(share, salt):
    n = 4000
    sides = Counter(split.side(f"p{i}", salt=salt, val=share[0], test=share[1]) for i in range(n))
    for name, asked in zip(("val", "test"), share, strict=True):
        five_sigma = 5 * (asked * (1 - asked) / n) ** 0.5
        assert abs(sides[name] / n - asked) < five_sigma


@given(groups, st.floats(0.05, 0.3), st.floats(0.0, 0.3))
def test_a_larger_val_takes_from_train_only(group, val, more):
    small = [split.side(g, salt="s", val=val, test=0.3) for g in group]
    large = [split.side(g, salt="s", val=val + more, test=0.3) for g in group]
    assert {(a, b) for a, b in zip(small, large, strict=True) if a != b} <= {("train", "val")}


def test_the_hash_is_the_one_that_is_documented():
    # sha256("medpipe\0p1") begins 69…: 0x69 / 0x100 = 0.410
    assert split.side("p1", salt="medpipe", val=0.15, test=0.20) == "train"
    assert split.side("p1", salt="medpipe", val=0.15, test=0.42) == "test"
    assert split.side("p1", salt="medpipe", val=0.15, test=0.30) == "val"


def test_a_published_split_stands_and_val_is_drawn_from_its_train_by_patient():
    group = [f"p{i // 2}" for i in range(400)]
    published = ["train"] * 300 + ["test"] * 100
    sides = split.assign(columns(group, published=published), SplitParams(by="published"))
    assert set(sides[300:]) == {"test"}
    assert set(sides[:300]) == {"train", "val"}
    assert len(set(zip(group[:300], sides[:300], strict=True))) == 150


def test_a_published_val_is_kept():
    published = ["train", "val", "test"] * 20
    sides = split.assign(
        columns([f"p{i}" for i in range(60)], published=published), SplitParams(by="published")
    )
    assert list(sides) == published


def test_an_example_without_a_published_side_is_refused():
    with pytest.raises(DataError, match=r"1 of 2 examples have no published side; set split.by"):
        split.assign(columns(["a", "b"], published=["train", None]), SplitParams(by="published"))


def test_a_patient_seen_at_an_external_site_is_external_wholly():
    rule = SplitParams(external_sites=["far"])
    sides = split.assign(columns(["a", "a", "b"], site=["near", "far", "near"]), rule)
    assert list(sides[:2]) == ["external", "external"]
    assert sides[2] != "external"


def test_a_site_that_does_not_occur_is_refused_with_those_that_do():
    with pytest.raises(DataError, match=r"'fra'.*the sites are: far, near"):
        split.assign(columns(["a", "b"], site=["near", "far"]), SplitParams(external_sites=["fra"]))


def test_copies_are_left_out_of_the_lesser_side():
    sides = np.array(["train", "test", "val", "train", "train", "train"], dtype=object)
    content = np.array(["x", "x", "x", "y", "y", None], dtype=object)
    assert list(split.copies(sides, content)) == [True, False, True, False, False, False]


def test_a_receipt_counts_examples_groups_and_positives_by_side():
    found = examples(["a", "a", "b", "c"], ["train", "train", "val", "test"])
    found = split.Examples(
        found.example, found.group, found.side, positive=np.array([True, False, True, False])
    )
    made = split.receipt(found, SplitParams(), left_out={"without label": 3})
    assert made["counts"]["train"] == {"examples": 2, "groups": 1, "positives": 1}
    assert made["counts"]["external"] == {"examples": 0, "groups": 0, "positives": 0}
    assert made["left_out"] == {"without label": 3}
    assert made["clean"]
    assert made["problems"] == []


def test_a_group_on_two_sides_is_named_and_makes_a_receipt_unclean():
    made = split.receipt(examples(["b", "b", "a"], ["train", "test", "val"]), SplitParams())
    assert made["shared_groups"] == {"count": 1, "groups": ["b"]}
    assert not made["clean"]
    assert made["problems"][0].startswith("1 groups stand on more than one side")


def test_the_same_content_on_two_sides_makes_a_receipt_unclean():
    same = examples(["a", "b", "c"], ["train", "test", "test"], content=["x", "x", None])
    made = split.receipt(same, SplitParams())
    assert made["duplicates"] == {"contents": 1, "examples": 2, "groups": [["e0", "e1"]]}
    assert not made["clean"]


def test_unconfirmed_likeness_is_reported_and_not_judged():
    like = examples(["a", "b"], ["train", "test"], likeness=["00" * 8, "00" * 7 + "03"])
    near = split.receipt(like, SplitParams())["near_duplicates"]
    assert (near["candidates"], near["confirmed"]) == (1, None)
    assert split.receipt(like, SplitParams())["clean"]


def test_confirmed_near_duplicates_beyond_the_share_make_a_receipt_unclean():
    like = examples(["a", "b"], ["train", "test"], likeness=["00" * 8, "00" * 7 + "03"])
    made = split.receipt(like, SplitParams(), alike=lambda a, b: np.ones(len(a), dtype=bool))
    assert made["near_duplicates"]["pairs"] == [["e1", "e0"]]
    assert made["near_duplicates"]["shares"] == {"test": 1.0}
    assert not made["clean"]


def test_the_digest_covers_everything_and_is_the_same_for_the_same_data():
    first = split.receipt(examples(["a", "b"], ["train", "test"]), SplitParams())
    again = split.receipt(examples(["a", "b"], ["train", "test"]), SplitParams())
    other = split.receipt(examples(["a", "b"], ["train", "test"]), SplitParams(salt="other"))
    assert first == again == json.loads(json.dumps(first))
    assert first["digest"] != other["digest"]
    assert first["assignment"] == other["assignment"]
