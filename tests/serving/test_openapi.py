"""The description of the service: what it says may be sent is answered, as it says."""

import json

import pytest
from brightness_release import TRUSTED
from described_release import write_all
from fastapi.testclient import TestClient
from jsonschema import Draft202012Validator

from medpipe.audit.place import Place
from medpipe.audit.sqlite import Sqlite
from medpipe.serving import api
from medpipe.serving.catalogue import Catalogue
from medpipe.serving.recorder import Recorder

SERVED = ("chest_xray", "icu_mortality", "readmission")


@pytest.fixture(scope="module")
def client(tmp_path_factory, pytestconfig):
    """A client of a service of every workload."""
    folder = tmp_path_factory.mktemp("described")
    write_all(folder)
    made = api.create(
        lambda: Catalogue(folder / "releases", trusted=lambda _: TRUSTED),
        recorder=lambda: Recorder(lambda: Place(Sqlite(folder / "a.db"), folder / "a.db")),
        page=pytestconfig.rootpath / "service/page.html",
    )
    with TestClient(made, base_url="http://127.0.0.1:3000", client=("127.0.0.1", 50000)) as client:
        yield client


@pytest.fixture(scope="module")
def described(client):
    return client.get("/v1/openapi.json").json()


def example(client, described, name):
    """Media type and content of the example of a request that the document gives."""
    for media_type, body in described["paths"][f"/v1/{name}"]["post"]["requestBody"][
        "content"
    ].items():
        for given in body.get("examples", {}).values():
            if "externalValue" in given:
                return media_type, client.get(given["externalValue"]).content
            return media_type, json.dumps(given["value"]).encode()
    raise AssertionError(f"{name} has no example")


def schema_of(described, reference):
    """The schema that `reference` names, with all that it refers to."""
    return {**reference, "components": described["components"]}


@pytest.mark.parametrize("name", SERVED)
def test_the_example_of_every_workload_is_answered_as_it_stands(client, described, name):
    media_type, content = example(client, described, name)
    response = client.post(f"/v1/{name}", content=content, headers={"Content-Type": media_type})
    assert response.status_code == 200, response.text


@pytest.mark.parametrize("explain", ["true", "false"])
@pytest.mark.parametrize("name", SERVED)
def test_an_answer_is_what_the_document_says(client, described, name, explain):
    media_type, content = example(client, described, name)
    headers = {"Content-Type": media_type}
    answer = client.post(f"/v1/{name}?explain={explain}", content=content, headers=headers).json()
    said = described["paths"][f"/v1/{name}"]["post"]["responses"]["200"]
    schema = said["content"]["application/json"]["schema"]
    Draft202012Validator(schema_of(described, schema)).validate(answer)
    held = described["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    assert set(answer) == set(held["properties"])
    Draft202012Validator(schema_of(described, schema)).validate(held["examples"][0])


@pytest.mark.parametrize("name", SERVED)
def test_the_example_can_be_fetched(client, described, name):
    media_type, content = example(client, described, name)
    fetched = client.get(f"/v1/{name}/example")
    assert (fetched.headers["content-type"], fetched.content) == (media_type, content)


def test_every_served_workload_has_routes_of_its_own(described):
    assert {f"/v1/{name}" for name in SERVED} < set(described["paths"])
    assert not any(path.startswith("/v1/{") for path in described["paths"])
    post = described["paths"]["/v1/icu_mortality"]["post"]
    assert post["x-scope"] == "answer:icu_mortality"
    assert "Not for: Deciding on treatment" in post["description"]
    names = [o["operationId"] for path in described["paths"].values() for o in path.values()]
    assert len(names) == len(set(names))


def test_a_problem_is_told_at_its_place(client):
    stated = {"age_years": 500, "heart_rate_bpm": [[0, 80], [99, 80]]}
    told = client.post("/v1/icu_mortality", json=stated).json()
    assert [each["place"] for each in told["problems"]] == ["/age_years", "/heart_rate_bpm/1/0"]
    assert told["problems"][0]["error"] in told["error"]


def test_the_papers_hold_the_schema_that_the_document_holds(client, described):
    papers = client.get("/v1/icu_mortality").json()
    assert papers["request"] == described["components"]["schemas"]["IcuMortalityRecord"]
    assert client.get("/v1/chest_xray").json()["request"] is None
