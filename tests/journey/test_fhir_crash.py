"""The process killed while submissions are posted to its FHIR API: what was answered is there, what is posted again is there once."""

from __future__ import annotations

import json
import subprocess
import threading
from pathlib import Path
from typing import Any

import httpx

from tests.fhir_kit import submission
from tests.journey.running_connector import COMMAND, SERVE, environment, running
from tests.waiting import eventually

COUNT = 24


def post(base: str, number: int) -> bool:
    try:
        answer = httpx.post(
            f"{base}/fhir",
            json=submission(number),
            headers={"Content-Type": "application/fhir+json"},
            timeout=60,
            trust_env=False,
        )
    except httpx.HTTPError:
        return False
    assert answer.status_code == 200, answer.text
    return True


def test_a_kill_between_two_answers_loses_nothing_and_doubles_nothing(tmp_path: Path) -> None:
    answered: list[int] = []
    with (tmp_path / "first.log").open("wb") as log:
        process = subprocess.Popen(
            [*COMMAND, *SERVE], cwd=tmp_path, env=environment(), stdout=subprocess.PIPE, stderr=log, text=True
        )
    try:
        assert process.stdout is not None
        base = json.loads(process.stdout.readline())["http"]

        def some(numbers: range) -> None:
            for number in numbers:
                if not post(base, number):
                    return
                answered.append(number)

        threads = [threading.Thread(target=some, args=(range(start, COUNT, 4),)) for start in range(4)]
        for thread in threads:
            thread.start()
        eventually(lambda: len(answered) >= 8)
    finally:
        process.kill()
        process.communicate()
    for thread in threads:
        thread.join()
    before = set(answered)
    assert before
    assert len(before) < COUNT, "killed in the middle"
    with running(tmp_path, *SERVE) as told:
        base = told["http"]

        def asked(path: str) -> Any:
            return httpx.get(f"{base}{path}", timeout=60, trust_env=False).json()

        found = asked("/fhir/DocumentReference?_count=200&_elements=masterIdentifier")
        there = {int(each["resource"]["masterIdentifier"]["value"].rpartition(".")[2]) for each in found["entry"]}
        assert before <= there, "what was answered is there"
        assert all(post(base, number) for number in range(COUNT))
        assert asked("/fhir/DocumentReference?_summary=count")["total"] == COUNT
        assert asked("/fhir/List?_summary=count")["total"] == COUNT
        assert asked("/fhir/Patient?_summary=count")["total"] == 1
        messages = asked("/api/messages?limit=200")
        assert [each["state"] for each in messages] == ["translated"] * COUNT
        folder = tmp_path / "d" / "documents"
        eventually(lambda: len(list(folder.rglob("document.txt"))) == COUNT)
