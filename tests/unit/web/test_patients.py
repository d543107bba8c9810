"""`GET /patients`: what may be asked, in which language it is refused, and that the answer is the index's."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from connector.app.patients import Answer, Person, Query
from connector.exchange.people import HumanName
from connector.ports import JournalUnavailable
from connector.web.patients import routes


class Patients:
    """Answers one person, or fails."""

    def __init__(self, error: Exception | None = None) -> None:
        self.asked: list[Query] = []
        self.error = error

    async def search(self, query: Query) -> Answer:
        self.asked.append(query)
        if self.error is not None:
            raise self.error
        found = Person(origins=("local",), record=3, names=(HumanName(family="PAT-TROIS"),), birth_date="1979-03-28")
        return Answer(patients=(found,), more=False)


def ask(patients: Patients, path: str, language: str = "fr", **params: str) -> httpx.Response:
    application: Any = SimpleNamespace(patients=patients, settings=SimpleNamespace(language="fr"))
    transport = httpx.ASGITransport(Starlette(routes=routes(application)))

    async def asked() -> httpx.Response:
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.get(path, params=params or None, headers={"Accept-Language": language})

    return asyncio.run(asked())


def test_the_answer_is_json_with_who_knows_each_patient() -> None:
    patients = Patients()
    answer = ask(patients, "/patients", family="Pat", birthdate="1979-03", page="2")
    assert answer.status_code == 200
    [found] = answer.json()["patients"]
    assert (found["origins"], found["record"], found["names"]) == (["local"], 3, [{"family": "PAT-TROIS"}])
    assert patients.asked == [Query(family="Pat", birth_date="1979-03", page=2)]


@pytest.mark.parametrize(
    ("query", "french", "english"),
    [
        ("family=Pat", "il faut le nom", "a family name and at least"),
        ("", "il faut le nom", "a family name and at least"),
        ("family=Pat&birthdate=28.03.1979", "AAAA-MM-JJ", "YYYY-MM-DD"),
        ("family=Pat&given=D&page=x", "la page", "the page"),
        ("family=Pat&given=D&page=%C2%B2", "la page", "the page"),
        ("famille=Pat", "paramètre inconnu : famille", "unknown parameter: famille"),
    ],
)
def test_a_refusal_is_in_the_language_asked_for_or_the_sites(query: str, french: str, english: str) -> None:
    patients = Patients()
    for language, text in (("fr-FR", french), ("en-GB", english), ("de", french)):
        answer = ask(patients, f"/patients?{query}", language)
        assert answer.status_code == 400
        assert text in answer.json()["error"]
    assert patients.asked == []


def test_a_database_that_is_away_is_a_503() -> None:
    answer = ask(Patients(JournalUnavailable("x")), "/patients?identifier=42", "en")
    assert (answer.status_code, answer.json()) == (503, {"error": "database unavailable"})
