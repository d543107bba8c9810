"""An exchange becomes a transaction Bundle, and back."""

from __future__ import annotations

import copy

import pytest
from msgspec.structs import replace

from connector.exchange.care import Encounter
from connector.exchange.documents import Content, Directives, Document
from connector.exchange.model import Exchange
from connector.exchange.people import Concept, HumanName, Organization, Party, Patient
from connector.fhir.bundle import take_apart
from connector.fhir.codec import Resource
from connector.fhir.validate import check_bundle, validate
from connector.issues import Severity
from tests.unit.fhir.site import (
    DATA,
    DOCTOR,
    DOCUMENT,
    EXCHANGE,
    LABORATORY,
    PATIENT,
    STAY,
    over_the_wire,
    read,
    resources,
    run,
    write,
)


def simple(**changes: object) -> Exchange:
    """A short exchange: one document with its bytes."""
    document = Document(id="1.2.250.1.9.1", title="A", content=Content(media_type="text/xml", data=DATA))
    return replace(Exchange(intent="submit", patient=PATIENT, documents=(document,)), **changes)


def test_what_fhir_can_hold_comes_back_the_same() -> None:
    using = run()
    made = over_the_wire(write(EXCHANGE, using))
    assert read(made) == EXCHANGE
    assert using.issues == [], "nothing that PDSm requires is missing"


def test_everything_written_is_valid_for_us_and_for_fhir_resources() -> None:
    made = write(EXCHANGE)
    assert check_bundle(made) == []
    assert validate(made) == []
    for entry in made["entry"]:
        assert validate(entry["resource"]) == []


def test_the_same_exchange_gives_the_same_bundle_and_the_tree_is_not_changed() -> None:
    assert write(EXCHANGE) == write(EXCHANGE)


def test_every_entry_is_put_under_its_id() -> None:
    for entry in write(EXCHANGE)["entry"]:
        resource = entry["resource"]
        assert entry["request"] == {"method": "PUT", "url": f"{resource['resourceType']}/{resource['id']}"}
        assert entry["fullUrl"] == f"urn:uuid:{resource['id']}"


def test_the_same_person_named_five_times_is_one_resource() -> None:
    made = write(EXCHANGE)
    practitioners = [each for each in resources(made, "Practitioner") if each["name"][0]["family"] == "DUVAL"]
    assert len(practitioners) == 1
    document = resources(made, "DocumentReference")[0]
    assert document["author"][0] == document["authenticator"]


def test_two_equal_documents_stay_two() -> None:
    twice = simple(documents=(Document(title="A"), Document(title="A")))
    assert len(resources(write(twice), "DocumentReference")) == 2


def test_two_things_under_one_identity_are_kept_apart() -> None:
    other = replace(DOCUMENT, title="another title")
    made = write(replace(EXCHANGE, documents=(DOCUMENT, other)))
    found = resources(made, "DocumentReference")
    assert len({each["id"] for each in found}) == 2
    assert check_bundle(made) == []


def test_two_documents_under_one_id_keep_their_own_bytes() -> None:
    both = tuple(Document(id="1.2", content=Content(media_type="text/plain", data=data)) for data in (b"a", b"b"))
    made = write(simple(documents=both))
    assert {each["data"] for each in resources(made, "Binary")} == {b"a", b"b"}
    assert check_bundle(made) == []


def test_the_bytes_of_a_document_are_a_binary_that_the_attachment_points_at() -> None:
    made = write(simple())
    binary = resources(made, "Binary")[0]
    assert binary["data"] == DATA
    attachment = resources(made, "DocumentReference")[0]["content"][0]["attachment"]
    assert attachment["url"] == f"urn:uuid:{binary['id']}"
    assert (attachment["size"], len(attachment["hash"])) == (len(DATA), 28)
    assert "data" not in attachment


def test_a_document_whose_bytes_are_elsewhere_keeps_its_address() -> None:
    content = Content(media_type="application/pdf", size=3, sha1="da39a3ee5e6b4b0d3255bfef95601890afd80709")
    with_bytes = resources(write(simple()), "Binary")[0]["id"]
    made = write(simple(documents=(Document(id="1.2.250.1.9.1", content=content),)))
    assert resources(made, "Binary") == []
    assert resources(made, "DocumentReference")[0]["content"][0]["attachment"]["url"] == f"Binary/{with_bytes}"


def test_a_qualified_ins_names_the_profile_that_asks_for_it() -> None:
    assert resources(write(EXCHANGE), "Patient")[0]["meta"]["profile"] == [
        "https://hl7.fr/ig/fhir/core/StructureDefinition/fr-core-patient-ins"
    ]


def test_a_qualified_ins_without_its_traits_is_told_and_stays_with_the_plain_profile() -> None:
    using = run()
    made = write(simple(patient=replace(PATIENT, birth_place=None)), using)
    assert resources(made, "Patient")[0]["meta"]["profile"][0].endswith("/fr-core-patient")
    assert any("patient-birthPlace" in issue.params.get("expected", "") for issue in using.issues)


@pytest.mark.parametrize("status", [None, "provisional", "received"])
def test_the_matricule_leaves_only_with_a_qualified_identity(status: str | None) -> None:
    using = run()
    made = write(simple(patient=replace(PATIENT, identity_status=status)), using)
    assert [each["value"] for each in resources(made, "Patient")[0]["identifier"]] == ["4242"]
    assert [issue.code for issue in using.issues].count("INS_NOT_QUALIFIED") == 1


def test_the_class_of_a_document_is_that_of_its_type() -> None:
    document = Document(id="1.2", type=Concept(code="34133-9", system="2.16.840.1.113883.6.1"))
    category = resources(write(simple(documents=(document,))), "DocumentReference")[0]["category"]
    assert category[0]["coding"][0]["code"] == "11"


def test_what_pdsm_requires_and_nobody_said_is_a_warning_and_stays_absent() -> None:
    using = run()
    document = resources(write(simple(), using), "DocumentReference")[0]
    missing = {issue.params["expected"] for issue in using.issues if issue.code == "MAP_REQUIRED"}
    assert {"PDSm: custodian", "PDSm: author", "PDSm: securityLabel", "PDSm: context.facilityType"} <= missing
    assert {issue.severity for issue in using.issues} == {Severity.WARNING}
    assert "custodian" not in document


def test_a_deletion_is_entered_in_error_and_owes_nothing() -> None:
    using = run()
    made = write(simple(intent="delete", documents=(Document(id="1.2.250.1.9.1", status="deletion"),)), using)
    assert resources(made, "DocumentReference")[0]["status"] == "entered-in-error"
    assert validate(made) == []
    assert not [issue for issue in using.issues if issue.code == "MAP_REQUIRED"]
    back = read(over_the_wire(made))
    assert (back.intent, back.documents[0].status) == ("delete", "deletion")


def test_a_preliminary_document_says_so() -> None:
    made = write(simple(documents=(Document(id="1.2", status="preliminary"),)))
    assert resources(made, "DocumentReference")[0]["docStatus"] == "preliminary"
    assert read(over_the_wire(made)).documents[0].status == "preliminary"


def test_visibility_stands_on_each_document() -> None:
    hidden = Directives(hidden_from_patient=True, hidden_from_guardians=True, hidden_from_professionals=False)
    made = write(simple(directives=hidden, documents=(Document(id="1.2"), Document(id="1.3"))))
    for document in resources(made, "DocumentReference"):
        codes = [label["coding"][0]["code"] for label in document["securityLabel"]]
        assert codes == ["INVISIBLE_PATIENT", "INVISIBLE_REPRESENTANTS_LEGAUX"]
    back = read(over_the_wire(made)).directives
    assert back == Directives(hidden_from_patient=True, hidden_from_guardians=True)


def test_a_stay_without_class_says_that_it_is_unknown_and_reads_back_without() -> None:
    stay = replace(STAY, kind=None)
    made = write(simple(encounter=stay))
    encounter = resources(made, "Encounter")[0]
    assert (encounter["status"], encounter["class"]["code"]) == ("unknown", "UNK")
    assert validate(made) == []
    assert read(over_the_wire(made)).encounter == stay


def test_the_facility_of_the_stay_stands_on_each_document_and_comes_back_to_the_stay() -> None:
    made = write(simple(encounter=STAY, documents=(Document(id="1.2"), Document(id="1.3"))))
    for document in resources(made, "DocumentReference"):
        assert document["context"]["facilityType"]["coding"][0]["code"] == "SA01"
    assert read(over_the_wire(made)).encounter == STAY


def test_the_facility_of_a_document_without_a_stay_stays_with_it() -> None:
    alone = Document(id="1.2", encounter=Encounter(facility_type=STAY.facility_type))
    assert read(over_the_wire(write(simple(documents=(alone,))))).documents[0].encounter == alone.encounter


def test_without_a_patient_nothing_points_at_one() -> None:
    made = write(simple(patient=None))
    assert "subject" not in resources(made, "DocumentReference")[0]
    assert check_bundle(made) == []


def test_no_submission_is_made_when_nobody_sends_or_receives() -> None:
    assert resources(write(simple()), "List") == []


def test_ids_say_what_they_are_made_of() -> None:
    using = run()
    using.derivations = []
    write(EXCHANGE, using)
    derived = {place: sources for place, sources, _ in using.derivations}
    assert derived["Patient[1].id"] == (
        "patient.identifiers[1].value",
        "patient.identifiers[1].system",
        "patient.identifiers[1].kind",
    )
    assert derived["DocumentReference[1].id"] == ("documents[1].id",)
    assert derived["DocumentReference[1].date"] == ("documents[1].created",)


def test_the_date_of_a_reference_is_the_message_s_when_the_document_s_is_no_instant() -> None:
    document = replace(DOCUMENT, created="2026-02-28")
    made = resources(write(replace(EXCHANGE, documents=(document,))), "DocumentReference")[0]
    assert made["date"] == "2026-03-01T10:00:00+01:00"
    assert made["content"][0]["attachment"]["creation"] == "2026-02-28"


# --- what others send


def foreign() -> Resource:
    """A DocumentReference as another system writes it: contained authors, a Practitioner without role, data inside."""
    return {
        "resourceType": "DocumentReference",
        "contained": [
            {"resourceType": "Practitioner", "id": "p", "name": [{"family": "LECLERC"}]},
            {"resourceType": "Organization", "id": "o", "name": "CLINIQUE ESSAI"},
        ],
        "status": "current",
        "author": [{"reference": "#p"}, {"reference": "#o"}],
        "custodian": {"reference": "Organization/elsewhere"},
        "date": "2026-01-02T03:04:05+01:00",
        "securityLabel": [
            {"coding": [{"system": "urn:other", "code": "MASQUE_PS"}]},
            {"coding": [{"system": "urn:other", "code": "N"}]},
        ],
        "content": [{"attachment": {"contentType": "text/plain", "data": "YWJj"}}],
    }


def test_a_document_of_another_system_is_read() -> None:
    using = run()
    found = read(foreign(), using)
    document = found.documents[0]
    assert document.authors == (
        Party(name=HumanName(family="LECLERC")),
        Party(organization=Organization(name="CLINIQUE ESSAI")),
    )
    assert (document.created, document.confidentiality, document.status) == ("2026-01-02T03:04:05+01:00", "N", "final")
    assert document.content == Content(media_type="text/plain", data=b"abc")
    assert found.directives == Directives(hidden_from_professionals=True)
    assert [(i.severity, i.code) for i in using.issues] == [(Severity.INFORMATION, "FHIR_REFERENCE")]


def test_a_contained_reference_to_nothing_is_an_error() -> None:
    using = run()
    document = foreign()
    document["author"].append({"reference": "#nobody"})
    take_apart(document, using)
    errors = [issue for issue in using.issues if issue.severity is Severity.ERROR]
    assert [issue.place.path for issue in errors] == ["DocumentReference[1].author[3]"]


def test_contained_resources_in_a_circle_are_an_error_and_end() -> None:
    using = run()
    document = foreign()
    document["contained"] = [
        {"resourceType": "Organization", "id": "a", "partOf": {"reference": "#b"}},
        {"resourceType": "Organization", "id": "b", "partOf": {"reference": "#a"}},
    ]
    document["author"] = [{"reference": "#a"}]
    take_apart(document, using)
    assert [issue.code for issue in using.issues if issue.severity is Severity.ERROR] == ["FHIR_REFERENCE"]


def test_references_that_fan_out_are_refused_before_they_are_unfolded() -> None:
    using = run()
    levels = [
        {
            "resourceType": "PractitionerRole",
            "id": f"r{n}",
            "healthcareService": [{"reference": f"#r{n + 1}"}] * 10 if n < 9 else [],
        }
        for n in range(10)
    ]
    document = {**foreign(), "contained": levels, "author": [{"reference": "#r0"}]}
    assert take_apart(document, using) == {}
    assert any(issue.code == "TOO_MANY" for issue in using.issues)


def test_two_patients_in_one_bundle_are_an_error() -> None:
    using = run()
    made = over_the_wire(write(simple()))
    second = copy.deepcopy(made["entry"][0])
    second["fullUrl"], second["resource"]["id"] = "urn:uuid:other", "other"
    made["entry"].append(second)
    take_apart(made, using)
    assert [issue.code for issue in using.issues] == ["FHIR_INVALID"]


def test_references_by_type_and_id_and_by_full_address_are_followed() -> None:
    patient = {"resourceType": "Patient", "id": "p1", "name": [{"family": "PAT"}]}
    for reference in (
        "Patient/p1",
        "https://other.example/fhir/Patient/p1",
        "https://other.example/fhir/Patient/p1/_history/3",
    ):
        bundle: Resource = {
            "resourceType": "Bundle",
            "type": "collection",
            "entry": [
                {"resource": {**foreign(), "subject": {"reference": reference}}},
                {"fullUrl": "https://other.example/fhir/Patient/p1", "resource": patient},
            ],
        }
        using = run()
        assert read(bundle, using).patient == Patient(names=(HumanName(family="PAT"),))
        assert not [issue for issue in using.issues if issue.place.path.endswith("subject")]


def test_what_replaces_a_document_of_the_same_bundle_says_its_identifier() -> None:
    old = {
        **foreign(),
        "id": "old",
        "masterIdentifier": {"system": "urn:oid:1.2", "value": "7"},
        "status": "superseded",
    }
    new = {
        **foreign(),
        "id": "new",
        "relatesTo": [{"code": "replaces", "target": {"reference": "DocumentReference/old"}}],
    }
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": new}, {"resource": old}]}
    found = read(bundle)
    assert [each.replaces for each in found.documents] == ["1.2^7", None]
    assert [each.status for each in found.documents] == ["replacement", "superseded"]
    assert found.intent == "replace"


def test_a_resource_that_no_mapping_reads_stays_in_sight() -> None:
    extra = {"resourceType": "Observation", "status": "final", "valueString": "x"}
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": foreign()}, {"resource": extra}]}
    tree = take_apart(bundle, run())
    assert tree["Observation"] == [extra]


def test_an_author_may_be_a_device_or_a_professional_and_both_come_back() -> None:
    made = over_the_wire(write(simple(documents=(replace(DOCUMENT, authors=(LABORATORY, DOCTOR)),))))
    assert {party.name for party in read(made).documents[0].authors} == {None, DOCTOR.name}


def test_ids_depend_on_the_namespace_of_the_site() -> None:
    assert write(EXCHANGE, run(namespace="1.2.3"))["entry"][0]["fullUrl"] != write(EXCHANGE)["entry"][0]["fullUrl"]
