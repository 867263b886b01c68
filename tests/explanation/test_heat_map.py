"""What a map of effects shows to those who see no colours."""

import re

import pytest

from medpipe.explanation import heat_map
from medpipe.explanation.heat_map import Line


@pytest.mark.parametrize(("effect", "said"), [(1.0, "2.6 ▲"), (-1.0, "2.6 ▼"), (0.01, "2.6")])
def test_a_cell_says_without_colour_which_way_it_moved_the_answer(effect, said):
    lines = [Line("creatinine", (effect,), ("2.6",)), Line("strongest", (2.0,), ("9",))]
    drawn = heat_map.svg(lines, heads=("0–6 h",)).decode()
    assert said in re.findall(r">([^<>]*)</text>", drawn)
