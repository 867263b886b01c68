"""FHIR in and out: the same answer as to a record, in resources that two libraries call valid."""

import base64
import json
from datetime import timedelta
from decimal import Decimal

import pytest
from brightness_release import TRUSTED, png
from bundles import START, bundle, encounter, observation, patient, stay
from fastapi.testclient import TestClient
from fhir.resources.R4B import get_fhir_model_class
from fhirclient.models.fhirelementfactory import FHIRElementFactory

from medpipe import workloads
from medpipe.serving import api, recorder
from medpipe.serving.catalogue import Catalogue

ICU = dict(workloads.get("icu_mortality").example)
ASSESS = "/fhir/icu_mortality/$assess"


def validated(resource):
    """`resource`, after both libraries have taken it: R4B by one, R4 by the other."""
    get_fhir_model_class(resource["resourceType"]).model_validate(resource)
    FHIRElementFactory.instantiate(resource["resourceType"], resource)
    return resource


def refused(response, status):
    """What an OperationOutcome with this status says."""
    assert response.status_code == status
    assert response.headers["content-type"] == "application/fhir+json"
    outcome = validated(response.json())
    assert outcome["resourceType"] == "OperationOutcome"
    return outcome["issue"][0]["diagnostics"]


def media(content, kind="image/png", **attachment):
    held = {"contentType": kind, "data": base64.b64encode(content).decode(), **attachment}
    return {
        **{"resourceType": "Media", "id": "film", "status": "completed", "content": held},
        "subject": {"reference": "Patient/doe"},
    }


def test_an_assessment_is_on_record_by_its_standard_and_names_nobody(records_client, newest):
    records_client.post(ASSESS, json=bundle(*stay(ICU)))
    record = newest()
    assert (record.standard, record.workload, record.status) == ("fhir", "icu_mortality", 200)
    assert record.input
    assert "doe" not in str(record)


@pytest.fixture
def pictures(releases, pytestconfig):
    made = api.create(
        lambda: Catalogue(releases, trusted=lambda _: TRUSTED),
        recorder=lambda: recorder.at(releases),
        page=pytestconfig.rootpath / "service/page.html",
    )
    with TestClient(made, base_url="http://127.0.0.1:3000", client=("127.0.0.1", 50000)) as client:
        yield client


def test_a_stay_as_record_and_as_bundle_has_the_same_risk_to_the_last_bit(records_client):
    record = records_client.post("/v1/icu_mortality", json=ICU).json()
    found = validated(records_client.post(ASSESS, json=bundle(*stay(ICU))).json())
    (prediction,) = found["prediction"]
    assert prediction["probabilityDecimal"] == float(Decimal(repr(record["risk"])) * 100)
    assert ("POS" if record["decision"] else "NEG") == (
        prediction["qualitativeRisk"]["coding"][0]["code"]
    )
    assert record["warnings"] == []


def test_the_order_of_a_bundle_changes_nothing(records_client):
    there = records_client.post(ASSESS, json=bundle(*stay(ICU))).json()
    back = records_client.post(ASSESS, json=bundle(*reversed(stay(ICU)))).json()
    assert there["prediction"] == back["prediction"]


def test_a_risk_assessment_says_of_whom_by_what_and_on_which_grounds(records_client):
    response = records_client.post(f"{ASSESS}?explain=true", json=bundle(*stay(ICU)))
    found = validated(response.json())
    (device,) = found["contained"]
    assert response.headers["content-type"] == "application/fhir+json"
    assert found["identifier"][0]["value"].startswith("urn:uuid:")
    assert (found["subject"], found["encounter"]) == (
        {"reference": "Patient/doe"},
        {"reference": "Encounter/stay"},
    )
    assert {"reference": "Observation/o5"} in found["basis"]
    assert device["version"][0]["value"] == "7"
    assert len(device["version"][1]["value"]) == 64
    assert "hours 0–6" in found["prediction"][0]["rationale"]
    said = [note["text"] for note in found["note"]]
    assert any(note.startswith("Not for: Deciding on treatment") for note in said)


def test_a_name_in_the_bundle_is_in_no_answer_and_in_no_log(records_client, caplog):
    with caplog.at_level("DEBUG"):
        answered = records_client.post(ASSESS, json=bundle(*stay(ICU)))
        refused(records_client.post(ASSESS, json=bundle(patient())), 422)
    assert "DOE" not in answered.text + caplog.text
    assert "Patient/doe" not in caplog.text


def test_what_the_bundle_does_not_say_is_told_with_the_answer(records_client):
    one = observation("8867-4", 88, "/min")
    late = observation("8867-4", 90, "/min", hour=60)
    found = records_client.post(ASSESS, json=bundle(encounter(), one, late)).json()
    said = " ".join(note["text"] for note in found["note"])
    assert "not measured or not sent: age years" in said
    assert "left aside: measurement outside the hours 0 to 48 (1)" in said


@pytest.mark.parametrize(
    ("resources", "status", "said"),
    [
        ([encounter(), observation("8867-4", 500, "/min")], 422, "is 500 beats/min"),
        ([encounter(), observation("2345-7", 5, "mmol/L")], 422, "the unit is mmol/L"),
        ([encounter(), patient(born="2015-01-01"), observation("8867-4", 90, "/min")], 422,
         "younger than 15"),
        ([encounter(), observation("8867-4", float("nan"), "/min")], 422, "is nan"),
        ([patient()], 422, "0 encounters"),
        ([], 422, "names no patient"),
    ],
)  # fmt: skip
def test_what_cannot_be_answered_is_refused_in_words(records_client, resources, status, said):
    body = json.dumps(bundle(*resources))
    headers = {"Content-Type": "application/fhir+json"}
    assert said in refused(records_client.post(ASSESS, content=body, headers=headers), status)


@pytest.mark.parametrize(
    ("body", "kind", "accept", "path", "status"),
    [
        (b"{", "application/fhir+json", "*/*", ASSESS, 400),
        (b"[" * 5000, "application/json", "*/*", ASSESS, 400),
        (b"[]", "application/json", "*/*", ASSESS, 422),
        (b"<Bundle/>", "application/fhir+xml", "*/*", ASSESS, 415),
        (b"{}", "application/json", "application/fhir+xml", ASSESS, 406),
        (b"{}", "application/json", "*/*", f"{ASSESS}?explain=DOE", 400),
        (b"{}", "application/json", "*/*", "/fhir/astrology/$assess", 404),
        (b"{}", "application/json", "*/*", "/fhir/icu_mortality/Patient", 404),
        (bytes(65 << 20), "application/json", "*/*", ASSESS, 413),
    ],
)
def test_a_wrong_request_gets_an_operation_outcome(
    records_client, body, kind, accept, path, status
):
    headers = {"Content-Type": kind, "Accept": accept}
    said = refused(records_client.post(path, content=body, headers=headers), status)
    assert "DOE" not in said


def test_parameters_name_the_encounter_where_there_are_several(records_client):
    both = bundle(*stay(ICU), encounter(id="before", status="finished"))
    assert "2 encounters" in refused(records_client.post(ASSESS, json=both), 422)
    named = {"name": "encounter", "valueReference": {"reference": "Encounter/stay"}}
    parameters = {
        "resourceType": "Parameters",
        "parameter": [{"name": "bundle", "resource": both}, named],
    }
    answered = records_client.post(ASSESS, json=parameters)
    assert answered.json()["encounter"] == {"reference": "Encounter/stay"}
    parameters["parameter"][1] = {"name": "subject"}
    assert "parameters are bundle" in refused(records_client.post(ASSESS, json=parameters), 422)


def test_a_discharge_as_record_and_as_bundle_has_the_same_risk(records_client):
    end = (START + timedelta(days=6)).isoformat()
    held = encounter(status="finished", period={"start": START.isoformat(), "end": end})
    a1c = observation("4548-4", 8.4, "%")
    found = records_client.post("/fhir/readmission/$assess", json=bundle(patient(), held, a1c))
    record = {"age_band": "[70-80)", "sex": "F", "stay_days": 6, "a1c": ">8"}
    expected = records_client.post("/v1/readmission", json=record).json()["risk"]
    (prediction,) = validated(found.json())["prediction"]
    assert prediction["probabilityDecimal"] == float(Decimal(repr(expected)) * 100)


def test_a_picture_in_a_media_resource_gets_a_diagnostic_report(pictures):
    expected = pictures.post("/v1/brightness", files={"file": png(204)}).json()
    found = pictures.post("/fhir/brightness/$assess", json=bundle(media(png(204)))).json()
    result, device = validated(found)["contained"]
    assert found["result"] == [{"reference": "#result-1"}]
    assert result["valueQuantity"]["value"] == float(Decimal(repr(expected["risk"])) * 100)
    assert result["interpretation"][0]["coding"][0]["code"] == "POS"
    assert result["device"] == {"reference": f"#{device['id']}"}
    assert "Not for: anything else" in found["conclusion"]


@pytest.mark.parametrize(
    ("resource", "status", "said"),
    [
        (media(b"", url="https://a.example/film"), 400, "is not followed"),
        (media(png(204), data="?"), 400, "base64"),
        (media(png(204), kind="image/gif"), 415, "contentType"),
        (media(png(204)[:40]), 400, "export it again"),
        (patient(), 422, "0 Media"),
    ],
)
def test_a_picture_that_cannot_be_read_is_refused(pictures, resource, status, said):
    response = pictures.post("/fhir/brightness/$assess", json=bundle(resource))
    assert said in refused(response, status)


@pytest.mark.parametrize("name", ["icu_mortality", "readmission"])
def test_a_client_can_find_out_what_may_be_asked(records_client, name):
    capability = validated(records_client.get(f"/fhir/{name}/metadata").json())
    assert capability["fhirVersion"] == "4.0.1"
    (operation,) = capability["rest"][0]["operation"]
    definition = validated(records_client.get(operation["definition"]).json())
    assert definition["url"] == operation["definition"]
    assert [p["name"] for p in definition["parameter"]] == ["bundle", "encounter", "return"]
    assert f"- {workloads.get(name).fhir.columns[0].column}: Patient" in definition["comment"]


def test_the_description_names_the_routes_and_their_refusals(records_client):
    paths = records_client.get("/v1/openapi.json").json()["paths"]
    described = paths["/fhir/{workload}/$assess"]["post"]["responses"]
    assert {"200", "400", "404", "406", "413", "415", "422", "503"} <= set(described)
    assert {"200", "404", "406", "503"} <= set(
        paths["/fhir/{workload}/metadata"]["get"]["responses"]
    )
    assert "/fhir/{rest}" not in paths
