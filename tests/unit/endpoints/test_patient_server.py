"""IHE PDQm (ITI-78) and PIXm (ITI-83) against a server that nobody of ours wrote on: the standard library answers, and checks what is asked.

What it checks is what the profiles say: GET of `Patient` with `family`, `given`, `birthdate`, `identifier` as `urn:oid:…|value` and
`_count`; GET of `Patient/$ihe-pix` with `sourceIdentifier` and `targetSystem`; `Accept: application/fhir+json`; 404 for nobody.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from pydantic import ValidationError

from connector.endpoints.patient_server import PatientDirectory
from connector.exchange.people import Identifier
from connector.ports import DeliveryFailed, Retry
from connector.settings import PatientServer
from tests.unit.endpoints.patient_peer import PATIENT, REGION, bundle, server, target

INS = Identifier(value="279035121518989", system="1.2.250.1.213.1.4.10", kind="INS")


def ask(url: str, question: Any, **settings: Any) -> Any:
    async def asked() -> Any:
        directory = PatientDirectory(PatientServer(url=url, **settings))
        try:
            return await question(directory)
        finally:
            await directory.close()

    return asyncio.run(asked())


def test_iti_78_asks_by_traits_in_the_words_of_the_profile() -> None:
    with server(200, bundle(PATIENT)) as (url, asked):
        found = ask(url, lambda one: one.search(family="Pat", given="Dominique", birth_date="1979-03-28", count=5))
    assert [each["id"] for each in found.patients] == ["7"]
    assert not found.more
    [(path, query, headers)] = asked
    assert path == "/base/Patient"
    assert query == {"family": ["Pat"], "given": ["Dominique"], "birthdate": ["1979-03-28"], "_count": ["5"]}
    assert headers["Accept"] == "application/fhir+json"
    assert "Authorization" not in headers


def test_iti_78_asks_by_a_number_in_its_domain_and_shows_the_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MPI_TOKEN", "abc")
    more = [{"relation": "next", "url": "http://elsewhere.example/?page=2"}]
    with server(200, bundle(PATIENT, link=more)) as (url, asked):
        found = ask(url, lambda one: one.search(number="42", domain=REGION), token="env:MPI_TOKEN")
    assert found.more
    [(_, query, headers)] = asked
    assert query["identifier"] == [f"urn:oid:{REGION}|42"]
    assert headers["Authorization"] == "Bearer abc"


def test_iti_83_asks_for_the_number_of_another_domain() -> None:
    with server(200, target()) as (url, asked):
        found = ask(url, lambda one: one.identifier(INS, REGION))
    assert (found.value, found.system) == ("R-7", REGION)
    [(path, query, headers)] = asked
    assert path == "/base/Patient/$ihe-pix"
    assert query == {
        "sourceIdentifier": ["urn:oid:1.2.250.1.213.1.4.10|279035121518989"], "targetSystem": [f"urn:oid:{REGION}"],
    }  # fmt: skip
    assert headers["Accept"] == "application/fhir+json"


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        (404, {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "not-found"}]}),
        (200, {"resourceType": "Parameters"}),
        (200, target("1.2.3")),  # a number of a domain that was not asked for is no answer
        (200, {"resourceType": "Parameters", "parameter": ["x", {"name": "targetIdentifier", "valueIdentifier": 3}]}),
    ],
)
def test_nobody_is_an_answer(status: int, answer: object) -> None:
    with server(status, answer) as (url, _):
        assert ask(url, lambda one: one.identifier(INS, REGION)) is None


@pytest.mark.parametrize(
    ("status", "answer", "retry", "code"),
    [
        (500, {}, Retry.SAFE, "ANSWER_REFUSED"),
        (503, {}, Retry.SAFE, "ANSWER_REFUSED"),
        (401, {}, Retry.SAFE, "ANSWER_REFUSED"),
        (400, {}, Retry.NEVER, "ANSWER_REFUSED"),
        (403, {}, Retry.NEVER, "ANSWER_REFUSED"),
        (200, b"<html>", Retry.NEVER, "ANSWER_UNREADABLE"),
        (200, {"resourceType": "Patient"}, Retry.NEVER, "ANSWER_UNREADABLE"),
        (200, b"[" * 5_000_000, Retry.NEVER, "ANSWER_UNREADABLE"),
    ],
)
def test_what_is_no_answer_says_whether_to_ask_again(status: int, answer: object, retry: Retry, code: str) -> None:
    for question in (lambda one: one.identifier(INS, REGION), lambda one: one.search(family="x", given="y")):
        with server(status, answer) as (url, _), pytest.raises(DeliveryFailed) as failed:
            ask(url, question)
        assert (failed.value.retry, failed.value.issue.code) == (retry, code)


def test_a_redirect_leads_nowhere() -> None:
    with server(200, target()) as (other, visited), server(302, b"", {"Location": other + "/x"}) as (url, _):
        with pytest.raises(DeliveryFailed):
            ask(url, lambda one: one.identifier(INS, REGION))
        assert visited == []


def test_an_unreachable_server_may_be_asked_again() -> None:
    with server(200, {}) as (url, _):
        pass
    with pytest.raises(DeliveryFailed) as failed:
        ask(url, lambda one: one.search(family="x", given="y"))
    assert (failed.value.retry, failed.value.issue.code) == (Retry.SAFE, "UNREACHABLE")


@pytest.mark.parametrize(
    "url", ["http://mpi.example/fhir", "ftp://x", "https://user@x/", "https://x/?a=1", "https:///x"]
)
def test_an_address_is_https_or_says_why_not(url: str) -> None:
    with pytest.raises(ValidationError):
        PatientServer(url=url)
    assert PatientServer(url="http://mpi.example/fhir", insecure="inside the hospital").url
