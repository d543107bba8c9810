"""Every hostile input of the list, by its number: the bytes answered, the journal's state, no patient in any log, a good message accepted after.

The first two are asserted by each case, the others here around all of them.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from _pytest.mark import ParameterSet

from connector.hl7.acknowledge import read_ack
from connector.hl7.mllp import frame
from tests.hostile import (
    cases_answers,
    cases_batch,
    cases_charset,
    cases_documents,
    cases_frames,
    cases_identity,
    cases_syntax,
)
from tests.hostile.harness import CANARY, REGISTRY, Case, Connector, adt, connector

#: The parts of the list that this journey meets.
REQUIRED = [
    f"{part}{number:02}"
    for part, count in (("A", 17), ("B", 22), ("C", 13), ("D", 15), ("E", 6), ("F", 21))
    for number in range(1, count + 1)
] + [f"J{number:02}" for number in (1, 2, 3, 4, 5, 6, 7, 9, 10, 12, 13, 14)]

#: Importing them fills the registry.
MODULES = (cases_frames, cases_syntax, cases_charset, cases_answers, cases_batch, cases_documents, cases_identity)


#: Numbers whose place is the test of another part of the connector: its file and the test there.
ELSEWHERE = {
    "E04": ("tests/unit/endpoints/test_folder_in.py", "test_a_growing_file_is_not_read_until_it_is_still"),
    "J12": ("tests/hostile/test_identity.py", "test_j12_an_author_without_specialty_gets_the_sites_and_it_is_told"),
    "J14": (
        "tests/hostile/test_identity.py",
        "test_j14_a_test_patient_in_production_is_refused_by_name_whatever_the_oid",
    ),
}


def test_every_number_of_the_list_has_a_case() -> None:
    assert [number for number in REQUIRED if number not in REGISTRY and number not in ELSEWHERE] == []
    assert sorted(set(REGISTRY) - set(REQUIRED)) == []


@pytest.mark.parametrize("number", sorted(ELSEWHERE))
def test_a_number_met_elsewhere_has_its_test_there(number: str, root: Path) -> None:
    file, test = ELSEWHERE[number]
    assert f"def {test}(" in (root / file).read_text("utf-8")


def parameters() -> Iterator[ParameterSet]:
    """Every case under its number."""
    for number in sorted(REGISTRY):
        for index, one in enumerate(REGISTRY[number]):
            marks = [pytest.mark.xfail(reason=one.pending, strict=True)] if one.pending else []
            yield pytest.param(one, id=f"{number}-{index}" if index else number, marks=marks)


@pytest.mark.parametrize("found", list(parameters()))
def test_hostile_input(found: Case, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)

    async def scene() -> None:
        async with connector(tmp_path, **found.settings) as running:
            await found.run(running)
            await good_message_after(running)
            if not running.excused:
                ours = [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]
                assert ours == [], f"{found.number}: {found.title}"

    asyncio.run(scene())
    assert CANARY not in caplog.text, f"{found.number}: {found.title}"


async def good_message_after(running: Connector) -> None:
    """On a new connection, as the partner would."""
    tls = running.receiver.settings.tls
    options = {}
    if tls is not None:
        path = cases_frames.CERTIFICATES / "laboratory.pem"
        context = cases_frames.client_context(
            cases_frames.ClientTls(authorities=tls.authorities, certificate=path, key=path)
        )
        options = {"ssl": context, "server_hostname": "localhost"}
    peer = await running.connect(**options)
    peer.send(frame(adt("good-after")))
    ack = read_ack(await peer.answer(5))
    assert (ack.code, ack.control_id) == ("AA", "good-after"), ack
    kept = running.kept()[-1]
    assert (kept.state, kept.control_id, kept.deliveries) == ("translated", "good-after", 1)
