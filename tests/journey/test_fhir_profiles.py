"""Every FHIR resource that we emit, judged by HAPI against R4 and the French profiles that it claims: FR Core, PDSm (on MHD), extensions.

Each golden exchange of each mode becomes its Bundle, as it is and with what a site's settings fill for PDSm; one Java run judges them all,
offline. An unknown code system (the NOS tables are in no package at hand) is a warning; the bindings that packages lack are held by
tests/unit/fhir/test_required_bindings.py.
"""

from __future__ import annotations

import json
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from connector.exchange.model import Context, Exchange
from connector.fhir.pdsm import DOCUMENT, PROVIDE, SUBMISSION_SET
from connector.fhir.submission import submission
from tests.conftest import ROOT
from tests.golden.journeys_kit import context, translator
from tests.golden.test_journeys import references
from tests.peers.java import classpath

pytestmark = [pytest.mark.real, pytest.mark.shared]

#: The packages, all of them, by hand: nothing is resolved or downloaded.
PACKAGES = (
    "hl7.fhir.uv.extensions.r4.tgz",
    "hl7.fhir.fr.core-2.1.0.tgz",
    "ihe.iti.mhd.tgz",
    "ans.fhir.fr.annuaire-1.1.0-locally-built-by-sushi.tgz",
    "ans.fhir.fr.pdsm-3.1.1-locally-built-by-sushi.tgz",
)
#: Extensions whose own package is not at hand.
DEFINITIONS = ROOT / "tests" / "peers" / "fhir_validator" / "definitions"

#: Slicings that no validator can evaluate, because the published profile gives their discriminator no value: profile → path.
WITHOUT_SLICES = {
    "fr-core-patient": "Patient.contact.relationship",  # Role and RelationType by coding.system, which neither fixes
    "fr-core-patient-ins": "Patient.contact.relationship",
    "as-practitionerrole": "PractitionerRole.telecom",  # mailbox-mss by an extension that the local build leaves open
    "as-organization": "Organization.telecom",  # the same
    "pdsm-comprehensive-document-reference": "DocumentReference.context.related",  # referenceIdList by a type that is not fixed
}

#: Warnings that stand: message id (or the beginning of the text, where there is none) → why.
ACCEPTED = {
    "Constraint failed: dom-6": "no narrative: what a resource says is in its elements, a text made of them would say it twice",
    "Coding has no system": "the exchange's own code has none, and none is made up",
    "Terminology_PassThrough_TX_Message": "NOS, COG and our own code systems are in no package at hand",
    "Terminology_TX_NoValid_2_CC": "extensible binding of R4, where FR Core or MonSisra have a code of their own",
    "Terminology_TX_NoValid_13": "extensible binding of R4: a stay without a class is UNK, PV1-2 N has no v3 code",
    "Terminology_TX_Code_ValueSet_Ext": "extensible binding, where the exchange holds words and no code",
    "Terminology_TX_ValueSet_NotFound": "JDV of the ANS, in no package at hand",
    "Questionnaire_QR_Q_NotFound": "the form of an expert is a canonical address of MonSisra, not a resource of this Bundle",
    "All_observations_should_have_a_performer": "best practice of R4; who analysed is written when the laboratory said it",
    "All_observations_should_have_an_effectiveDateTime_or_an_effectivePeriod": "the same, for the moment",
    "Constraint failed: con-3": "nobody said what has become of a problem, and nothing is made up",
    "Reference_REF_NoDisplay": "a step of a téléexpertise of which nobody said who took it",
    "TYPE_SPECIFIC_CHECKS_DT_ATT_NO_CONTENT": "a deletion names a document and holds none of it",
}

#: What a site fills so that its own documents claim PDSm.
SITE = {
    "facility_type": "SA01",
    "practice_setting": "AMBULATOIRE",
    "designation_type": "03",
    "custodian": "CENTRE DES TESTS",
    "custodian_finess": "630000001",
}
Message = dict[str, Any]


def cases() -> Iterator[tuple[str, Exchange]]:
    """Every golden exchange, by the name of its folder."""
    folder = ROOT / "tests" / "golden"
    for path in sorted(folder.rglob("exchange.json")):
        name = "-".join(path.parent.relative_to(folder).parts)
        yield name, msgspec.json.decode(path.read_bytes(), type=Exchange)


def sites() -> dict[str, Context]:
    """As it is, and with the settings of a site."""
    return {"plain": context(), "site": msgspec.structs.replace(context(), options={**context().options, **SITE})}


def bundles() -> Iterator[tuple[str, dict[str, Any]]]:
    """The Bundle of each golden exchange, and with a site's settings that of its documents, also as ITI-65 submits it."""
    for name, exchange in cases():
        for site, used in sites().items():
            if site == "site" and not (exchange.documents and name.startswith(("exchanges", "fhir"))):
                continue
            written = translator().write(exchange, "fhir", used)
            assert written.value is not None, (name, written.issues)
            bundle = json.loads(written.value)
            yield f"{name}-{site}", bundle
            if site == "site" and (submitted := submission(bundle)) is not None:
                yield f"{name}-iti-65", submitted


def clinical() -> Iterator[tuple[str, dict[str, Any]]]:
    """The Bundle of each golden exchange with sections, as a transaction with its Composition and as a FHIR document."""
    for name, exchange in cases():
        if any(each.sections for each in exchange.documents):
            for shape in ({"sections": "true"}, {"shape": "document"}):
                used = msgspec.structs.replace(context(), options={**context().options, **shape})
                written = translator().write(exchange, "fhir", used)
                assert written.value is not None, (name, written.issues)
                yield f"{name}-{next(iter(shape))}", json.loads(written.value)


def repaired(package: Path) -> None:
    """Take the slicings of WITHOUT_SLICES out of a package's profiles."""
    for name, path in WITHOUT_SLICES.items():
        for file in package.rglob(f"StructureDefinition-{name}.json"):
            profile = json.loads(file.read_bytes())
            for part in ("snapshot", "differential"):
                elements = [each for each in profile[part]["element"] if not each["id"].startswith(f"{path}:")]
                for each in elements:
                    if each["id"] == path:
                        each.pop("slicing", None)
                profile[part]["element"] = elements
            file.write_text(json.dumps(profile), encoding="utf-8")


def judged(resources: Path, packages: list[Path]) -> list[Message]:
    """What HAPI says of each file, in one run."""
    command = ["java", "-Xmx1500m", "-cp", classpath("fhir_validator"), "Judge", str(resources)]
    done = subprocess.run(
        [*command, *map(str, packages), str(DEFINITIONS)], capture_output=True, text=True, timeout=900, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def unpacked(shared: Path, place: Path, names: tuple[str, ...] = PACKAGES) -> list[Path]:
    """The packages as folders."""
    folders = []
    for package in names:
        folders.append(place / package)
        with tarfile.open(shared / "fhir-data" / "packages" / package) as archive:
            archive.extractall(folders[-1], filter="data")
        repaired(folders[-1])
    return folders


@pytest.fixture(scope="module")
def messages(tmp_path_factory: pytest.TempPathFactory, shared: Path) -> list[Message]:
    """What the validator says of each Bundle, and of one that is wrong on purpose."""
    place = tmp_path_factory.mktemp("profiles")
    resources = place / "resources"
    resources.mkdir()
    for name, bundle in (*bundles(), *clinical()):
        (resources / f"{name}.json").write_text(json.dumps(bundle), encoding="utf-8")
    (resources / "wrong.json").write_text(json.dumps(wrong(dict(bundles())["fhir-everything-plain"])), encoding="utf-8")
    return judged(resources, unpacked(shared, place))


def wrong(bundle: dict[str, Any]) -> dict[str, Any]:
    """A document that claims PDSm without the organisation that keeps it."""
    for entry in bundle["entry"]:
        if entry["resource"]["resourceType"] == "DocumentReference":
            del entry["resource"]["custodian"]
    return bundle


def known(message: Message) -> str:
    """The id of a message, or the beginning of its text."""
    return message.get("id") or next((each for each in ACCEPTED if message["text"].startswith(each)), message["text"])


def test_nothing_that_is_emitted_has_an_error(messages: list[Message]) -> None:
    errors = [each for each in messages if each.get("severity") in ("error", "fatal") and each["file"] != "wrong.json"]
    assert not errors, json.dumps(errors[:10], indent=1, ensure_ascii=False)
    assert len({each["file"] for each in messages if "ms" in each}) > 40


def test_each_warning_is_one_that_was_accepted_for_a_reason(messages: list[Message]) -> None:
    told = {known(each) for each in messages if each.get("severity") == "warning"}
    assert told <= ACCEPTED.keys(), told - ACCEPTED.keys()
    assert ACCEPTED.keys() <= told, "accepted, and never told: take it out of the table"


def test_what_lacks_something_that_a_profile_requires_is_an_error(messages: list[Message]) -> None:
    errors = [each for each in messages if each["file"] == "wrong.json" and each.get("severity") == "error"]
    assert any("custodian" in each["text"] for each in errors), "the profiles that are claimed are really judged"


def test_documents_and_submissions_claim_pdsm_where_nothing_is_missing() -> None:
    claims = {
        (name, profile)
        for name, bundle in bundles()
        for entry in bundle["entry"]
        for profile in entry["resource"].get("meta", {}).get("profile", ())
    }
    assert ("fhir-everything-plain", DOCUMENT) in claims
    for name in ("fhir-everything-site", "exchanges-document-site"):
        assert {(name, DOCUMENT), (name, SUBMISSION_SET)} <= claims, name
    whole = {name for name, bundle in bundles() if PROVIDE in bundle.get("meta", {}).get("profile", ())}
    assert {"fhir-everything-iti-65", "exchanges-document-iti-65"} <= whole
    assert ("exchanges-document-plain", DOCUMENT) not in claims, "what is missing is told, nothing is claimed"


def test_a_submission_of_pdsm_refers_to_its_patient_documents_and_bytes_alone() -> None:
    bundle = dict(bundles())["exchanges-document-site"]
    kinds = {entry["fullUrl"]: entry["resource"]["resourceType"] for entry in bundle["entry"]}
    submitted = [
        each["resource"]
        for each in bundle["entry"]
        if each["resource"]["resourceType"] in ("List", "DocumentReference")
    ]
    named = [kinds.get(reference, "?") for each in submitted for reference in references(each) if reference[:1] != "#"]
    assert set(named) == {"Patient", "DocumentReference", "Binary"}


def test_patients_conform_to_fr_core_2_2_where_the_site_says_so(tmp_path: Path, shared: Path) -> None:
    resources = tmp_path / "resources"
    resources.mkdir()
    used = msgspec.structs.replace(context(), options={**context().options, "fr_core": "2.2.0"})
    for name, exchange in cases():
        if exchange.patient is None or name.split("-")[0] not in ("journeys", "fhir", "hprim"):
            continue
        bundle = json.loads(translator().write(exchange, "fhir", used).value or b"{}")
        for entry in bundle["entry"]:
            if entry["resource"]["resourceType"] == "Patient":
                (resources / f"{name}.json").write_text(json.dumps(entry["resource"]), encoding="utf-8")
    packages = unpacked(shared, tmp_path, ("hl7.fhir.uv.extensions.r4.tgz", "hl7.fhir.fr.core-2.2.0.tgz"))
    told = judged(resources, packages)
    errors = [each for each in told if each.get("severity") in ("error", "fatal")]
    assert not errors, json.dumps(errors[:10], indent=1, ensure_ascii=False)
    assert len({each["file"] for each in told}) > 10
