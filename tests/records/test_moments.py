"""Numbers read in parts."""

import numpy as np
import pytest

from medpipe.records.moments import moments, scale


def test_parts_add_up_to_the_mean_and_spread_of_the_whole():
    whole = np.array([1.0, 4.0, 4.0, 7.0, 9.0])
    found = moments(whole[:2]) + moments(whole[2:]) + moments(whole[:0])
    assert scale(found) == pytest.approx([whole.mean(), whole.std()])


def test_a_number_that_never_changes_is_divided_by_one():
    assert scale(moments(np.full(3, 0.1))) == pytest.approx([0.1, 1.0])


def test_nothing_has_no_scale():
    assert scale(moments(np.array([]))) is None
