"""The official examples of FHIR R4 and of CDS Hooks: each is answered, or refused in words."""

import json
import re

import pytest
from bundles import bundle, encounter, observation, patient

from medpipe import config, workloads
from medpipe.io.fhir.chart import Chart, entries
from medpipe.io.fhir.mapping import stated
from medpipe.records import record

pytestmark = pytest.mark.real
NAMES = ("icu_mortality", "readmission")
AT_ONE = {"effectiveDateTime": observation("8867-4", 1, "/min")["effectiveDateTime"]}


def folder_of(pytestconfig, name):
    data = config.environment("MEDPIPE_REAL_DATA")
    folder = pytestconfig.rootpath / (data or "../shared/data") / name
    if not folder.is_dir():
        pytest.skip(f"no {name} under MEDPIPE_REAL_DATA or ../shared/data")
    return folder


@pytest.fixture(scope="module")
def examples(pytestconfig):
    found = [
        json.loads(path.read_text(encoding="utf-8"))
        for path in sorted(folder_of(pytestconfig, "fhir_r4_examples").glob("*.json"))
    ]
    return [resource for resource in found if "resourceType" in resource]


@pytest.fixture(scope="module")
def requests(pytestconfig):
    """Every JSON block of the specification that is a call of a service."""
    folder = folder_of(pytestconfig, "cds_hooks")
    found = []
    for page in sorted(folder.rglob("*.md")):
        for block in re.findall(r"```json\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
            try:
                content = json.loads(block)
            except ValueError:
                continue
            if "hookInstance" in content:
                found.append(content)
    return found


def ask(client, name, *resources):
    """Status, and the words of a refusal."""
    response = client.post(f"/fhir/{name}/$assess", json=bundle(*resources))
    found = response.json()
    if response.status_code == 200:
        return 200, found["resourceType"]
    return response.status_code, found["issue"][0]["diagnostics"]


def about(resource):
    """The resource itself, about the invented patient and encounter."""
    changed = {**resource, "subject": {"reference": "Patient/doe"}}
    return {**changed, "encounter": {"reference": "Encounter/stay"}}


@pytest.mark.parametrize("name", NAMES)
def test_every_example_alone_is_refused_in_words_or_answered(records_client, examples, name):
    assert len(examples) == 693
    for resource in examples:
        sent = resource if resource["resourceType"] == "Bundle" else bundle(resource)
        response = records_client.post(f"/fhir/{name}/$assess", json=sent)
        said = json.dumps(response.json())
        assert response.status_code in (200, 422), (resource["id"], said)
        assert "RiskAssessment" in said or "OperationOutcome" in said


def test_every_observation_is_read_or_refused_at_an_hour_of_the_stay(records_client, examples):
    rate = observation("8867-4", 88, "/min")
    seen = [
        {**{k: v for k, v in about(r).items() if not k.startswith("effective")}, **AT_ONE}
        for r in examples
        if r["resourceType"] == "Observation"
    ]
    outcomes = [ask(records_client, "icu_mortality", encounter(), rate, o) for o in seen]
    assert len(outcomes) == 64
    # A newborn's length, and a unit in a system of its own; the others are read, or left aside.
    assert [said[:45] for status, said in outcomes if status != 200] == [
        "height_cm is 25 cm; allowed: numbers from 100",
        "bicarbonate_mmol_l: the unit is of another sy",
    ]


@pytest.mark.parametrize(
    ("name", "column", "expected"),
    [
        ("blood-pressure", "cuff_systolic_mmhg", 107.0),
        ("body-temperature", "temperature_c", 36.5),
        ("f001", "glucose_mg_dl", 113.498),  # 6.3 mmol/L
        ("heart-rate", "heart_rate_bpm", 44.0),
        ("glasgow", "gcs_points", 13.0),
        ("example", "daily_weight_kg", 83.9146),  # 185 pounds
    ],
)
def test_an_example_is_read_as_the_number_that_it_means(examples, name, column, expected):
    of_kind = (r for r in examples if r["resourceType"] == "Observation")
    found = about(next(r for r in of_kind if r["id"] == name))
    sent = {k: v for k, v in found.items() if not k.startswith("effective")} | AT_ONE
    workload = workloads.get("icu_mortality")
    chart = Chart(entries(bundle(encounter(), sent)), codes=workload.fhir.codes)
    ((_, value),) = stated(chart, workload.fhir, record.asked(workload)).record[column]
    assert value == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("kind", ["Patient", "Encounter", "Condition", "Procedure"])
def test_every_example_of_a_kind_is_read_or_refused_in_a_whole_chart(
    records_client, examples, kind
):
    for resource in (r for r in examples if r["resourceType"] == kind):
        chart = [encounter(), observation("8867-4", 88, "/min")]
        if kind == "Patient":
            name = {"reference": f"Patient/{resource['id']}"}
            chart = [{**r, "subject": name} for r in chart]
        elif kind == "Encounter":
            resource = {**about(resource), "id": "stay"}
            chart = chart[1:]
        else:
            resource = about(resource)
        for workload in NAMES:
            status, said = ask(records_client, workload, resource, *chart)
            assert status in (200, 422), (resource["id"], said)
            assert said


def test_the_medications_are_read_or_refused(records_client, examples):
    kinds = ("MedicationRequest", "MedicationAdministration")
    for resource in (r for r in examples if r["resourceType"] in kinds):
        sent = {**about(resource), "context": {"reference": "Encounter/stay"}}
        status, said = ask(records_client, "readmission", patient(), encounter(), sent)
        assert status == 200, (resource["id"], said)


def test_the_requests_of_the_specification_are_refused_for_their_hook_or_prefetch(
    records_client, requests
):
    assert len(requests) >= 3
    for request in requests:
        response = records_client.post("/cds-services/readmission", json=request)
        assert response.status_code in (400, 412), request["hook"]
        assert (
            "is missing" in response.text
            or "prefetch lacks" in response.text
            or ("hooks of this service" in response.text)
        )


def test_the_specification_s_own_patient_view_lacks_what_we_ask_for(records_client, requests):
    greeting = next(r for r in requests if r["hook"] == "patient-view")
    response = records_client.post("/cds-services/icu_mortality", json=greeting)
    assert response.status_code == 412
    assert "observationCoded" in response.json()["error"]


def test_a_discovery_like_that_of_the_specification(records_client, pytestconfig):
    page = folder_of(pytestconfig, "cds_hooks") / "specification" / "current.md"
    blocks = re.findall(r"```json\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    example = next(json.loads(b) for b in blocks if b.lstrip().startswith('{\n  "services"'))
    allowed = {key for service in example["services"] for key in service}
    for service in records_client.get("/cds-services").json()["services"]:
        assert set(service) <= allowed
        assert {"hook", "description", "id"} <= set(service)
        assert workloads.get(service["id"]).title == service["title"]
