"""The three boxes end to end: the business software, and the region as another connector's FHIR API, each leg told by the journal."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.journey.running_connector import running
from tests.unit.monsisra.sample import DOMAIN, data
from tests.waiting import eventually

PROFILE = {"content-type": "application/vnd.monsisra.exchange+json"}
REGION = "site: region\nenvironment: test\nhttp: {port: 0}\n"
HOSPITAL = """\
site: cabinet
environment: test
http: {{port: 0}}
monsisra: {{domains: [{domain}]}}
destinations:
  metier: {{kind: folder, path: metier}}
  mes-patients: {{kind: fhir, url: "{region}/fhir", mode: submission}}
routes:
  - {{to: metier, when: {{box: business_software}}}}
  - {{to: mes-patients, when: {{box: [regional_record, ma_sante_connectee]}}}}
"""


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[httpx.Client, httpx.Client]]:
    folder: Path = tmp_path_factory.mktemp("region")
    (folder / "connector.yaml").write_text(REGION, encoding="utf-8")
    cabinet: Path = tmp_path_factory.mktemp("cabinet")
    with running(folder, "serve", "connector.yaml", "--json") as told:
        settings = HOSPITAL.format(domain=DOMAIN, region=told["http"])
        (cabinet / "connector.yaml").write_text(settings, encoding="utf-8")
        with (
            running(cabinet, "serve", "connector.yaml", "--json") as ours,
            httpx.Client(base_url=ours["http"], timeout=60) as here,
            httpx.Client(base_url=told["http"], timeout=60) as there,
        ):
            yield here, there


def legs(http: httpx.Client, message: int) -> dict[str, dict[str, Any]] | None:
    shown = http.get(f"/api/messages/{message}").json()
    found = {leg["destination"]: leg for leg in shown["legs"]}
    return None if {"queued", "claimed", "sent", "failed"} & {leg["state"] for leg in found.values()} else found


def post(http: httpx.Client, value: dict[str, Any]) -> dict[str, Any]:
    answer = http.post("/exchanges", json=value, headers=PROFILE)
    assert answer.status_code == 201, answer.text
    told: dict[str, Any] = answer.json()
    return told


def test_each_box_is_honoured_and_the_region_has_what_the_patient_may_see(
    both: tuple[httpx.Client, httpx.Client],
) -> None:
    here, there = both
    value = data("document")
    told = post(here, value)
    found = eventually(lambda: legs(here, told["message"]))
    assert {name: leg["state"] for name, leg in found.items()} == {"metier": "accepted", "mes-patients": "accepted"}
    place = found["mes-patients"]["reference"]
    assert "DocumentReference/" in place
    identifier = f"urn:oid:{value['documents'][0]['id']}"
    entries = there.get("/fhir/DocumentReference", params={"identifier": identifier}).json()["entry"]
    [document] = [entry["resource"] for entry in entries]
    codes = {coding["code"] for label in document.get("securityLabel", ()) for coding in label["coding"]}
    assert "INVISIBLE_PATIENT" not in codes
    binary = there.get(f"/fhir/{document['content'][0]['attachment']['url'].rpartition('/fhir/')[2]}")
    assert binary.content.startswith(b"%PDF")
    listed = there.get("/fhir/List", params={"code": "submissionset", "status": "current"}).json()
    assert listed["total"] == 1


def test_a_refused_box_is_a_leg_that_names_its_rule_and_the_others_are_served(
    both: tuple[httpx.Client, httpx.Client],
) -> None:
    here, there = both
    value = data("document", id="unqualified")
    value["documents"][0]["id"] = value["documents"][0]["set_id"] = "1.2.250.1.213.1.4.10.9.2026.991"
    value["patient"]["identity_status"] = "provisional"
    told = post(here, value)
    assert "SHARING_NOT_QUALIFIED" in {issue["code"] for issue in told["issues"]}
    found = eventually(lambda: legs(here, told["message"]))
    assert {name: leg["state"] for name, leg in found.items()} == {"metier": "accepted", "mes-patients": "rejected"}
    assert [issue["code"] for issue in found["mes-patients"]["issues"]] == ["SHARING_NOT_QUALIFIED"]
    asked = there.get("/fhir/DocumentReference", params={"identifier": "urn:oid:1.2.250.1.213.1.4.10.9.2026.991"})
    assert asked.json()["total"] == 0


def test_the_same_submission_again_doubles_nothing(both: tuple[httpx.Client, httpx.Client]) -> None:
    here, there = both
    value = data("document", id="again")
    value["documents"][0]["id"] = value["documents"][0]["set_id"] = "1.2.250.1.213.1.4.10.9.2026.992"
    told = post(here, value)
    eventually(lambda: legs(here, told["message"]))
    number = told["message"]
    replayed = here.post(
        f"/api/messages/{number}/replay", params={"destination": "mes-patients"}, headers={"x-connector": "1"}
    )
    assert replayed.status_code == 202, replayed.text
    eventually(lambda: legs(here, told["message"]))
    asked = there.get("/fhir/DocumentReference", params={"identifier": "urn:oid:1.2.250.1.213.1.4.10.9.2026.992"})
    assert asked.json()["total"] == 1
