"""prefect.yaml has for every workload what `medpipe deploy` promises."""

from pathlib import Path

import pytest
import yaml

from flows import deployments, training
from medpipe import config
from medpipe.errors import ParamsError

ROOT = Path(__file__).parents[2]
NAMES = config.workload_names(ROOT)
ENTRIES = yaml.safe_load((ROOT / "prefect.yaml").read_text("utf-8"))["deployments"]


def test_every_workload_of_params_has_every_deployment():
    wanted = {(flow, name) for flow in deployments.FLOWS for name in NAMES}
    assert deployments.deployed(ROOT) == wanted


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda each: f"{each['tags'][1]}/{each['name']}")
def test_a_deployment_is_of_its_own_workload_and_can_be_found_by_its_tags(entry):
    flow = entry["entrypoint"].split(":")[1]
    assert entry["parameters"]["workload"] == entry["name"]
    assert entry["tags"] == ["medpipe", flow, entry["name"]]
    assert entry["concurrency_limit"]["limit"] == 1


def test_what_prefect_yaml_lacks_is_said_as_the_lines_to_write(tmp_path):
    with pytest.raises(ParamsError) as told:
        deployments.ensure_whole(deployments.deployed(ROOT), [*NAMES, "stroke"])
    written = [line.strip() for line in str(told.value).splitlines()[1:]]
    assert len(written) == len(deployments.FLOWS)
    text = (ROOT / "prefect.yaml").read_text("utf-8") + "".join(f"\n  {line}" for line in written)
    found = {
        (e["entrypoint"].split(":")[1], e["name"]) for e in yaml.safe_load(text)["deployments"]
    }
    deployments.ensure_whole(found, [*NAMES, "stroke"])


def test_deployments_run_with_parameters_that_the_flow_takes():
    properties = training.train.parameters.properties
    trained = [each for each in ENTRIES if each["tags"][1] == "train"]
    assert {name for each in trained for name in each["parameters"]} <= set(properties)
