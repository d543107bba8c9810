"""Who a patient is, asked by people (index and PDQm as one answer) and by destinations (the number of their domain, PIXm)."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from msgspec.structs import replace

from connector.app import Application
from connector.app.patients import InDomain, PatientSearch, Query, WithChoices, in_domain_of, patient_reader
from connector.endpoints.patient_server import PatientDirectory
from connector.exchange.model import Exchange
from connector.exchange.people import Address, DmpConsent, HumanName, Patient
from connector.ports import Claimed, DeliveryFailed, Receipt, Retry
from connector.settings import PatientServer, settings_from
from connector.store.patient_search import Patients
from connector.web.app import build
from tests.golden.journeys_kit import context, translator
from tests.journal_kit import opened
from tests.unit.app.test_application import letter, sent, settings
from tests.unit.endpoints.patient_peer import PATIENT, REGION, bundle, server, target
from tests.unit.store.test_patients import HOSPITAL, adt, ins, ipp
from tests.waiting import until

WHOLE = Patient(
    identifiers=(ins(), ipp("42")),
    names=(HumanName(use="birth", family="PAT-TROIS", given=("DOMINIQUE",), birth_given="DOMINIQUE"),),
    birth_date="1979-03-28",
    sex="female",
    birth_place=Address(insee="63220"),
    identity_status="validated",
)


# --- people


@pytest.mark.parametrize(
    ("query", "refusal"),
    [
        ({"family": "Pat"}, "more"),
        ({"given": "Dominique", "birth_date": "1979"}, "more"),
        ({"family": "--", "birth_date": "1979"}, "more"),
        ({"family": "Pat", "given": "%"}, "more"),
        ({"identifier": "1.2.3|"}, "more"),
        ({"family": "Pat", "birth_date": "28/03/1979"}, "birthdate"),
        ({"family": "P" * 201, "given": "x"}, "long"),
        ({"family": "Pat", "given": "x", "page": 0}, "page"),
        ({"family": "Pat", "given": "D"}, None),
        ({"family": "Pat", "birth_date": "1979-03"}, None),
        ({"identifier": "42"}, None),
    ],
)
def test_what_may_be_asked(query: dict[str, Any], refusal: str | None) -> None:
    assert Query(**query).refusal() == refusal


def search(folder: Path, known: list[Patient], query: Query, url: str = "") -> Any:
    async def asked() -> Any:
        async with opened(folder / "j.db") as journal:
            for number, patient in enumerate(known, 1):
                await journal.record(adt(number, patient))
            directory = PatientDirectory(PatientServer(url=url)) if url else None
            searching = PatientSearch(journal.patients, directory, lambda: patient_reader(translator(), context()))
            try:
                return await searching.search(query)
            finally:
                await searching.close()

    return asyncio.run(asked())


ASKED = Query(family="pat", birth_date="1979")


def test_a_patient_whom_both_know_is_one_with_both_origins_and_all_numbers(tmp_path: Path) -> None:
    same = {**PATIENT, "identifier": [*PATIENT["identifier"], {"system": f"urn:oid:{HOSPITAL}", "value": "42"}]}
    with server(200, bundle(same)) as (url, _):
        answer = search(tmp_path, [WHOLE], ASKED, url)
    [found] = answer.patients
    assert found.origins == ("local", "127.0.0.1")
    assert [(each.system, each.value) for each in found.identifiers] == [
        ("1.2.250.1.213.1.4.10", ins().value), (HOSPITAL, "42"), (REGION, "R-7"),
    ]  # fmt: skip
    assert answer.servers == ({"name": "127.0.0.1", "state": "answered"},)


def test_a_patient_of_the_server_alone_stands_beside_and_a_resource_that_is_none_is_counted(tmp_path: Path) -> None:
    with server(200, bundle(PATIENT, {"resourceType": "Patient", "name": "x"})) as (url, _):
        answer = search(tmp_path, [WHOLE], ASKED, url)
    assert [found.origins for found in answer.patients] == [("local",), ("127.0.0.1",)]
    assert answer.servers[0]["unreadable"] == "1"


def test_the_same_number_with_other_traits_is_not_the_same_person(tmp_path: Path) -> None:
    other = {**PATIENT, "gender": "male", "identifier": [{"system": f"urn:oid:{HOSPITAL}", "value": "42"}]}
    with server(200, bundle(other)) as (url, _):
        assert len(search(tmp_path, [WHOLE], ASKED, url).patients) == 2


def test_a_server_that_fails_is_told_and_the_index_answers(tmp_path: Path) -> None:
    with server(500, {}) as (url, _):
        answer = search(tmp_path, [WHOLE], ASKED, url)
    assert [found.origins for found in answer.patients] == [("local",)]
    assert answer.servers == ({"name": "127.0.0.1", "state": "failed", "reason": "ANSWER_REFUSED"},)


def test_a_page_is_twenty_and_only_the_first_one_asks_the_server(tmp_path: Path) -> None:
    many = [replace(WHOLE, identifiers=(ipp(str(n)),)) for n in range(25)]
    with server(200, bundle()) as (url, asked):
        first = search(tmp_path, many, ASKED, url)
        second = search(tmp_path, [], replace(ASKED, page=2), url)
    assert (len(first.patients), first.more, len(second.patients), second.more, len(asked)) == (20, True, 5, False, 1)


# --- destinations


class Known(Patients):
    """An index that knows one patient."""

    def __init__(self, patient: Patient | None) -> None:
        self._patient = patient

    def known(self, keys: Any) -> Patient | None:
        return self._patient


class Kept:
    """A sender that keeps what it is given."""

    def __init__(self) -> None:
        self.patients: list[Patient | None] = []

    async def deliver(self, claimed: Claimed, before_send: Any) -> Receipt:
        self.patients.append(claimed.exchange.patient if claimed.exchange else None)
        return Receipt()

    async def close(self) -> None:
        return


def claim(patient: Patient | None) -> Claimed:
    return Claimed(
        delivery_id=1, message_id=1, destination="dpi", key="k", attempts=0, resent=False, control_id="1", type="MDM^T02",
        raw=b"", exchange=Exchange(patient=patient),
    )  # fmt: skip


def deliver(
    patient: Patient | None, domain: str, known: Patient | None = None, url: str = "", *, as_received: bool = False
) -> Patient | None:
    kept = Kept()
    directory = PatientDirectory(PatientServer(url=url)) if url else None
    sender = InDomain(kept, domain, Known(known), directory, as_received=as_received, test=True)

    async def send() -> None:
        try:
            await sender.deliver(claim(patient), lambda: asyncio.sleep(0))
        finally:
            await sender.close()

    asyncio.run(send())
    [given] = kept.patients
    return given


def parked(*arguments: Any, **more: Any) -> str:
    with pytest.raises(DeliveryFailed) as failed:
        deliver(*arguments, **more)
    assert (failed.value.retry, failed.value.park) == (Retry.NEVER, True)
    return failed.value.issue.code


def test_a_number_that_the_message_holds_is_used_and_nobody_is_asked() -> None:
    assert deliver(WHOLE, HOSPITAL) == WHOLE
    assert deliver(None, HOSPITAL) is None


def test_a_number_that_the_index_knows_is_added() -> None:
    bare = replace(WHOLE, identifiers=(ipp("42"),))
    known = replace(WHOLE, identifiers=(ipp("42"), ipp("R-7", REGION)))
    given = deliver(bare, REGION, known)
    assert given is not None
    assert given.identifiers == (ipp("42"), ipp("R-7", REGION))


def test_an_index_that_knows_somebody_else_by_traits_is_not_believed() -> None:
    bare = replace(WHOLE, identifiers=(ipp("42"),), birth_date="1979-03-29")
    assert parked(bare, REGION, replace(WHOLE, identifiers=(ipp("42"), ipp("R-7", REGION)))) == "PATIENT_DOMAIN"


def test_a_number_that_the_index_does_not_know_is_asked_of_the_server_by_the_ins_first() -> None:
    with server(200, target()) as (url, asked):
        given = deliver(WHOLE, REGION, None, url)
    assert given is not None
    assert [each.value for each in given.identifiers][-1] == "R-7"
    assert [query["sourceIdentifier"] for _, query, _ in asked] == [[f"urn:oid:1.2.250.1.213.1.4.10|{ins().value}"]]


def test_without_the_number_the_delivery_is_parked_and_nothing_leaves() -> None:
    assert parked(WHOLE, REGION) == "PATIENT_DOMAIN"
    with server(404, {}) as (url, asked):
        assert parked(WHOLE, REGION, None, url) == "PATIENT_DOMAIN"
    assert len(asked) == 2, "each current number was tried"


def test_bytes_that_leave_as_they_came_cannot_get_a_number() -> None:
    assert deliver(WHOLE, HOSPITAL, as_received=True) == WHOLE
    assert (
        parked(WHOLE, REGION, replace(WHOLE, identifiers=(ipp("R-7", REGION),)), as_received=True) == "PATIENT_DOMAIN"
    )


def test_a_server_that_is_away_lets_the_delivery_wait() -> None:
    with server(503, {}) as (url, _), pytest.raises(DeliveryFailed) as failed:
        deliver(WHOLE, REGION, None, url)
    assert (failed.value.retry, failed.value.park) == (Retry.SAFE, False)


@pytest.mark.parametrize(
    ("patient", "known", "code"),
    [
        (replace(WHOLE, identity_status="provisional"), None, "INS_NOT_QUALIFIED"),
        (replace(WHOLE, birth_place=None), None, "INS_INCOMPLETE"),
        (replace(WHOLE, identifiers=(ipp("42"),)), None, "PATIENT_DOMAIN"),
        (replace(WHOLE, identifiers=(ipp("42"),), identity_status="provisional"), WHOLE, "INS_NOT_QUALIFIED"),
    ],
)
def test_an_ins_leaves_only_qualified_and_with_its_five_traits(
    patient: Patient, known: Patient | None, code: str
) -> None:
    assert parked(patient, "ins", known) == code


def test_an_ins_of_the_index_leaves_when_both_hold() -> None:
    given = deliver(replace(WHOLE, identifiers=(ipp("42"),), identity_status=None), "ins", WHOLE)
    assert given is not None
    assert (given.identifiers, given.identity_status) == ((ipp("42"), ins()), "validated")


@pytest.mark.parametrize(
    ("said", "known", "expected"),
    [
        (None, DmpConsent(feeding="opposed"), "opposed"),
        (DmpConsent(feeding="not-opposed"), DmpConsent(feeding="opposed"), "not-opposed"),  # the message's own word
        (None, None, None),
    ],
)
def test_a_shared_record_hears_what_the_patient_chose(
    said: DmpConsent | None, known: DmpConsent | None, expected: str | None
) -> None:
    kept = Kept()
    sender = WithChoices(kept, Known(replace(WHOLE, dmp=known)))
    asyncio.run(sender.deliver(claim(replace(WHOLE, dmp=said)), lambda: asyncio.sleep(0)))
    [given] = kept.patients
    assert given is not None
    assert (given.dmp.feeding if given.dmp else None) == expected


def test_only_a_destination_that_names_a_domain_is_behind_the_look_up(tmp_path: Path) -> None:
    site = settings_from(
        {
            "site": "x",
            "environment": "test",
            "destinations": {
                "a": {"kind": "folder", "path": "a"},
                "b": {"kind": "folder", "path": "b", "patient_domain": REGION},
                "c": {"kind": "fhir", "url": "https://region.example/fhir", "mode": "submission"},
            },
        },
        tmp_path,
        environ={},
    )
    sender = Kept()
    assert in_domain_of(site, "a", sender, Known(None)) is sender
    assert isinstance(in_domain_of(site, "b", sender, Known(None)), InDomain)
    assert isinstance(in_domain_of(site, "c", sender, Known(None)), WithChoices)


# --- a running connector


def test_a_running_connector_finds_who_it_received_and_parks_what_a_destination_cannot_name(tmp_path: Path) -> None:
    """Over MLLP in, GET /patients, and two destinations: one that wants a number which only the PIXm server knows, one which nobody knows."""

    async def scene(url: str) -> tuple[Any, dict[str, list[str]], dict[str, Any]]:
        places = {name: {"kind": "folder", "path": name} for name in ("region", "elsewhere")}
        places["region"]["patient_domain"], places["elsewhere"]["patient_domain"] = REGION, "1.2.3.4"
        site = settings(tmp_path, destinations=places, identity={"pixm": {"url": url}})
        async with Application(site) as running:
            assert len(await sent(running, letter("1"))) == 1

            async def settled() -> dict[str, list[str]] | None:
                shown = await running.message(1)
                assert shown is not None
                if any(leg["state"] in ("queued", "claimed", "sent") for leg in shown["legs"]):
                    return None
                return {
                    leg["destination"]: [leg["state"], *(issue.code for issue in leg["issues"])]
                    for leg in shown["legs"]
                }

            states = await until(settled)
            transport = httpx.ASGITransport(build(running))
            async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
                answer = await client.get("/patients", params={"family": "pat trois", "birthdate": "1979-03-28"})
        return answer.json(), states, json.loads(next((tmp_path / "region").rglob("index.json")).read_text("utf-8"))

    with server(200, target()) as (url, asked):
        found, states, index = asyncio.run(scene(url))
    assert [each["origins"] for each in found["patients"]] == [["local"]]
    assert states == {"region": ["accepted"], "elsewhere": ["parked", "PATIENT_DOMAIN"]}
    assert "R-7" in json.dumps(index)
    assert {query["targetSystem"][0] for _, query, _ in asked} == {f"urn:oid:{REGION}", "urn:oid:1.2.3.4"}
