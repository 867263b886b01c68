"""The reference is of the newest ingests, so that a model that has learned a change is quiet."""

import pytest

from medpipe.columns import COMMON
from medpipe.evaluation import watched
from medpipe.tables.ledger import Entry, Ledger
from medpipe.tables.raw import Raw


@pytest.fixture
def raw(tmp_path):
    """Four ingests of 200 examples, named by their number."""
    found, known = Raw(tmp_path / "raw", COMMON), {}
    for number in range(4):
        rows = [{"example": f"{number}_{at}", "group": f"{number}_{at}"} for at in range(200)]
        found.append(rows)
        known |= {row["example"]: Entry("r", "c", None) for row in rows}
        Ledger(found.folder).save(known, parts=number + 1)
    return found


@pytest.mark.parametrize(
    ("held_out", "ingests"),
    [
        (200, {"2", "3"}),  # all of them are: two are enough
        (150, {"1", "2", "3"}),
        (10, {"0", "1", "2", "3"}),  # never enough: all that there are
    ],
)
def test_as_many_whole_ingests_as_it_takes(raw, held_out, ingests):
    known = {f"{number}_{at}" for number in range(4) for at in range(held_out)}
    found = watched._newest(raw, known)
    assert {name[0] for name in found} == ingests
    assert found == {name for name in known if name[0] in ingests}


def test_an_example_that_was_sent_again_counts_where_it_stands_now(raw):
    raw.append([{"example": "0_0", "group": "0_0"}])
    known = {f"{number}_{at}" for number in (0, 3) for at in range(200)}
    known |= {f"2_{at}" for at in range(199)}
    assert "0_0" in watched._newest(raw, known)
