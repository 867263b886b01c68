"""A bundle is of one patient and one encounter, whole, or it is refused."""

import pytest
from bundles import bundle, encounter, observation, patient

from medpipe.errors import UnreadableError
from medpipe.io.fhir.chart import Chart, entries


def chart(*resources, **named):
    return Chart(entries(bundle(*resources)), **named)


def test_the_patient_is_the_one_whom_all_resources_mean():
    found = chart(patient(), encounter(), observation("8867-4", 80, "/min"))
    assert found.patient == "Patient/doe"
    assert found.person["birthDate"] == "1953-01-31"


def test_a_patient_who_is_only_referred_to_is_still_one():
    assert chart(encounter()).patient == "Patient/doe"
    assert chart(encounter()).person is None


@pytest.mark.parametrize(
    "other",
    [
        observation("8867-4", 80, "/min", subject={"reference": "Patient/roe"}),
        patient(id="roe"),
        encounter(id="other", subject={"reference": "https://b.example/fhir/Patient/roe"}),
    ],
)
def test_a_second_patient_is_refused_and_named_to_nobody(other):
    with pytest.raises(UnreadableError, match="about 2 patients") as error:
        chart(patient(), encounter(), other)
    assert "roe" not in str(error.value)


def test_the_same_id_on_another_server_is_another_patient():
    there = {"resource": patient(), "fullUrl": "https://a.example/fhir/Patient/doe"}
    foreign = {"reference": "https://b.example/fhir/Patient/doe"}
    made = {**bundle(encounter(subject=foreign)), "type": "collection"}
    made["entry"].append(there)
    with pytest.raises(UnreadableError, match="2 patients"):
        Chart(entries(made))


def test_references_by_address_and_by_urn_find_their_resource():
    urn = "urn:uuid:7d0f1c9e-6a5b-4a0b-9d32-0c2f6f5f7a11"
    person = {k: v for k, v in patient().items() if k != "id"}
    made = bundle(encounter(subject={"reference": urn}))
    made["entry"].append({"resource": person, "fullUrl": urn})
    assert Chart(entries(made)).patient == urn
    address = "https://a.example/fhir/Patient/doe/_history/3"
    assert chart(patient(), encounter(subject={"reference": address})).patient == "Patient/doe"


def test_what_is_about_no_patient_is_left_aside_and_counted():
    group = {"reference": "Group/herd"}
    found = chart(encounter(), observation("8867-4", 80, "/min", subject=group))
    assert found.of("Observation") == []
    assert found.notes == ("left aside: Observation about no patient (1)",)


def test_one_resource_twice_counts_once_and_two_versions_are_refused():
    assert len(chart(encounter(), encounter()).of("Encounter")) == 1
    with pytest.raises(UnreadableError, match="two versions of one resource"):
        chart(encounter(), encounter(status="finished"))


def test_of_several_encounters_the_one_that_is_named_counts():
    both = (encounter(), encounter(id="before"))
    assert chart(*both, encounter="Encounter/before").encounter["id"] == "before"
    with pytest.raises(UnreadableError, match="2 encounters"):
        _ = chart(*both).encounter
    with pytest.raises(UnreadableError, match="does not hold the encounter"):
        _ = chart(*both, encounter="Encounter/third").encounter


def test_an_encounter_that_never_was_is_none():
    with pytest.raises(UnreadableError, match="0 encounters"):
        _ = chart(encounter(status="entered-in-error")).encounter


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"type": "history"}, "type history"),
        ({"link": [{"relation": "next", "url": "https://a.example"}]}, "page of a longer"),
        ({"resourceType": "Patient"}, "send a FHIR R4 Bundle"),
    ],
)
def test_what_is_not_a_whole_record_is_refused(change, reason):
    with pytest.raises(UnreadableError, match=reason):
        entries({**bundle(encounter()), **change})


def test_a_failed_search_is_refused_and_a_warning_is_not():
    def outcome(severity):
        issue = [{"severity": severity, "code": "exception"}]
        return {"resourceType": "OperationOutcome", "issue": issue}

    assert len(entries(bundle(encounter(), outcome("warning")))) == 2
    with pytest.raises(UnreadableError, match="the search for it failed"):
        entries(bundle(encounter(), outcome("error")))


@pytest.mark.parametrize("wrong", [None, 1, "x", [], {"entry": 3}, {"resourceType": ["Bundle"]}])
def test_what_is_no_bundle_at_all_is_refused(wrong):
    with pytest.raises(UnreadableError):
        entries(wrong)
