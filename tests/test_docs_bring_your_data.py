"""docs/bring-your-data.md: what it tells people to write is what medpipe takes."""

import re
from pathlib import Path

import pytest
import yaml

from medpipe import config, workloads

PAGE = Path(__file__).parents[1] / "docs" / "bring-your-data.md"
BLOCKS = re.findall(r"^```yaml\n(.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
SECTIONS = [
    pytest.param(name, section, id=f"{name} from {section['source']['name']}")
    for block in BLOCKS
    for name, section in yaml.safe_load(block)["workloads"].items()
]


@pytest.mark.parametrize(("name", "section"), SECTIONS)
def test_every_section_on_the_page_is_taken(name, section):
    workload = workloads.get(name)
    params = config.parse(section, workload)
    assert params.source.path
    named = params.source.options.get("columns", {})
    assert set(named) <= {column.name for column in workload.columns}


TABLES = [each for each in SECTIONS if each.values[1]["source"]["name"] == "table"]


@pytest.mark.parametrize(("name", "section"), TABLES)
def test_every_table_on_the_page_takes_its_options(name, section, tmp_path):
    options = section["source"]["options"]
    workloads.get(name).source("table", tmp_path / "table.csv", options=options)


def test_a_recipe_for_published_data_names_every_section_as_dvc_wants_it():
    recipes = [section for _, section in (p.values for p in SECTIONS) if "gate" in section]
    wanted = re.findall(r"workloads\.\$\{key\}\.(\w+)", (PAGE.parents[1] / "dvc.yaml").read_text())
    assert len(recipes) == 2
    assert all(set(wanted) <= set(section) for section in recipes)
