"""CDS Hooks as its specification has it: discovery, prefetch, cards, 412."""

import copy

import pytest
from bundles import bundle, encounter, observation, patient, stay

from medpipe import workloads

ICU = dict(workloads.get("icu_mortality").example)
URL = "/cds-services/icu_mortality"


def call(hook="patient-view", **change):
    """A request about the stay of `ICU`; of prefetch, None under each key that holds nothing."""
    resources = stay(ICU)
    measured = [r for r in resources if r["resourceType"] == "Observation"]
    prefetch = {
        "patient": resources[0],
        "encounter": resources[1],
        "location": bundle(*resources[1:3], kind="searchset"),
        "observationCoded": bundle(*measured, kind="searchset"),
        "procedureCoded": None,
    }
    context = {"userId": "Practitioner/1", "patientId": "doe", "encounterId": "stay"}
    return {
        **{"hook": hook, "hookInstance": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea"},
        **{"context": context, "prefetch": prefetch},
        **change,
    }


def without(request, *path):
    changed = copy.deepcopy(request)
    *steps, last = path
    place = changed
    for step in steps:
        place = place[step]
    del place[last]
    return changed


def put(request, value, *path):
    changed = copy.deepcopy(request)
    *steps, last = path
    place = changed
    for step in steps:
        place = place[step]
    place[last] = value
    return changed


def test_discovery_offers_each_workload_at_its_hooks_with_what_it_wants(records_client):
    found = records_client.get("/cds-services").json()["services"]
    assert [(s["id"], s["hook"]) for s in found] == [
        ("icu_mortality", "patient-view"),
        ("readmission", "patient-view"),
        ("readmission", "order-select"),
        ("readmission", "encounter-discharge"),
    ]
    icu = found[0]["prefetch"]
    assert icu["patient"] == "Patient/{{context.patientId}}"
    assert icu["encounter"] == "Encounter/{{context.encounterId}}"
    assert icu["observationCoded"].startswith("Observation?encounter={{context.encounterId}}&code=")
    assert "8867-4" in icu["observationCoded"]
    assert found[1]["prefetch"]["encounters"] == "Encounter?patient={{context.patientId}}"
    assert all(value for service in found for value in service.values())


def test_a_prefetched_stay_gets_the_card_of_its_risk(records_client):
    record = records_client.post("/v1/icu_mortality", json=ICU).json()
    (card,) = records_client.post(URL, json=call()).json()["cards"]
    assert f"risk {record['risk']:.0%}" in card["summary"]
    assert card["indicator"] == ("warning" if record["decision"] else "info")
    assert f"- calibrated risk {record['risk']:.1%}" in card["detail"]
    assert "(raised it)" in card["detail"]
    assert card["source"]["label"] == "medpipe icu_mortality, model version 7"
    assert set(card) == {"uuid", "summary", "detail", "indicator", "source"}
    assert "http" not in card["detail"]


def test_a_card_is_on_record_as_the_answer_of_its_model_and_names_nobody(records_client, newest):
    (card,) = records_client.post(URL, json=call()).json()["cards"]
    record = newest()
    assert (record.standard, record.workload, record.status) == ("cds-hooks", "icu_mortality", 200)
    assert "doe" not in str(record)
    assert card["uuid"]


@pytest.mark.parametrize("key", ["patient", "encounter", "observationCoded", "procedureCoded"])
def test_what_was_not_prefetched_is_412(records_client, key):
    response = records_client.post(URL, json=without(call(), "prefetch", key))
    assert response.status_code == 412
    assert key in response.json()["error"]


def test_where_the_encounter_took_place_may_be_missing(records_client):
    (card,) = records_client.post(URL, json=without(call(), "prefetch", "location")).json()["cards"]
    assert "not measured or not sent: unit type" in card["detail"]


@pytest.mark.parametrize(
    ("value", "path", "status", "said"),
    [
        (None, ("prefetch", "encounter"), 412, "lacks encounter"),
        ({"resourceType": "OperationOutcome"}, ("prefetch", "patient"), 412, "a failure"),
        (7, ("prefetch", "patient"), 412, "holds no resource"),
        (None, ("prefetch",), 412, "lacks encounter, patient"),
        ([{"relation": "next"}], ("prefetch", "observationCoded", "link"), 412, "longer result"),
        ("", ("context", "encounterId"), 412, "context.encounterId"),
        ("", ("context", "patientId"), 400, "context.patientId"),
        (None, ("context",), 400, "context.userId"),
        ("order-sign", ("hook",), 400, "hooks of this service are patient-view"),
        (7, ("hookInstance",), 400, "hookInstance"),
        ("roe", ("context", "patientId"), 422, "2 patients"),
        ("other", ("context", "encounterId"), 422, "encounter that is named"),
    ],
)
def test_a_wrong_request_is_told_what_is_wrong(records_client, value, path, status, said):
    response = records_client.post(URL, json=put(call(), value, *path))
    assert response.status_code == status
    assert said in response.json()["error"]
    assert "Patient/doe" not in response.text


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"x"', b"null"])
def test_what_is_no_request_at_all_is_refused(records_client, body):
    headers = {"Content-Type": "application/json"}
    assert records_client.post(URL, content=body, headers=headers).status_code == 400


def test_a_service_that_is_not_there_is_404(records_client):
    assert records_client.post("/cds-services/astrology", json=call()).status_code == 404
    assert records_client.post(f"{URL}/feedback", json={"feedback": []}).status_code == 404


@pytest.mark.parametrize("hook", ["patient-view", "order-select", "encounter-discharge"])
def test_null_under_a_key_means_that_there_is_none(records_client, hook):
    services = records_client.get("/cds-services").json()["services"]
    wanted = next(s["prefetch"] for s in services if s["id"] == "readmission")
    finished = encounter(period={"start": "2024-03-10", "end": "2024-03-16"}, status="finished")
    prefetch = dict.fromkeys(wanted) | {"patient": patient(), "encounter": finished}
    prefetch["observationCoded"] = bundle(observation("4548-4", 8.4, "%"), kind="searchset")
    response = records_client.post("/cds-services/readmission", json=call(hook, prefetch=prefetch))
    (card,) = response.json()["cards"]
    record = {
        **{"age_band": "[70-80)", "sex": "F", "stay_days": 6, "a1c": ">8", "procedures": 0},
        **{"medications": 0, "diabetes_drug": False},
        **dict.fromkeys(
            ("prior_outpatient_visits", "prior_emergency_visits", "prior_inpatient_stays"), 0
        ),
    }
    risk = records_client.post("/v1/readmission", json=record).json()["risk"]
    assert f"calibrated risk {risk:.1%}" in card["detail"]


def test_no_name_of_the_request_is_in_the_log(records_client, caplog):
    with caplog.at_level("DEBUG"):
        answered = records_client.post(URL, json=call())
        records_client.post(URL, json=put(call(), "DOE", "hook"))
    assert answered.status_code == 200
    assert "doe" not in caplog.text.lower()


def test_the_description_names_the_refusals_of_a_call(records_client):
    paths = records_client.get("/v1/openapi.json").json()["paths"]
    described = paths["/cds-services/{service}"]["post"]["responses"]
    assert {"200", "400", "404", "412", "413", "415", "422", "503"} <= set(described)
