"""The national judge, from a checkout that `ANS_CDA_JUDGE` names: what we write passes, what is wrong is placed; a judge that cannot run says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from connector.app.national import PROFILES, NationalJudge, _place, _repair_letter_case, schema_issues
from connector.demo import demo_document
from connector.exchange.moments import Moment
from connector.issues import Severity

DOCUMENT = demo_document(Moment("2026-03-04T05:06:07+01:00"), "2.25.42")


@pytest.mark.slow
def test_what_we_write_has_neither_error_nor_warning(national_judge: NationalJudge) -> None:
    assert national_judge.judge(DOCUMENT) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("old", "new", "rule", "place"),
    [
        (b"<realmCode", b"<realmKode", "ans:xsd", "line"),
        (b'<languageCode code="fr-FR"', b'<languageCode code="fr"', "ans:strucmin", "/ClinicalDocument"),
        (b'qualifier="BR"', b'qualifier="SP"', "ans:strucmin", "/ClinicalDocument/recordTarget"),
    ],
)
def test_what_is_wrong_is_placed(national_judge: NationalJudge, old: bytes, new: bytes, rule: str, place: str) -> None:
    assert old in DOCUMENT
    found = national_judge.judge(DOCUMENT.replace(old, new, 1), ("xsd", "strucmin"))
    errors = [each for each in found if each.severity is Severity.ERROR]
    assert any(each.place.rule == rule and each.place.path.startswith(place) for each in errors), found


@pytest.mark.slow
def test_a_judge_that_does_not_exist_is_no_pass(national_judge: NationalJudge) -> None:
    with pytest.raises(KeyError):
        national_judge.judge(DOCUMENT, ("volet:NOTHING",))
    assert "TLM-CR_2022.01" in national_judge.volets()


def test_a_folder_that_is_no_checkout_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="StrucMin"):
        NationalJudge(tmp_path, tmp_path)


@pytest.mark.parametrize(
    ("location", "place"),
    [
        ("/*:ClinicalDocument[namespace-uri()='urn:hl7-org:v3'][1]/*:author[namespace-uri()='urn:hl7-org:v3'][2]", "/ClinicalDocument/author[2]"),
        ("/ClinicalDocument[1]/component/section[3]/@code", "/ClinicalDocument/component/section[3]/@code"),
        ("/cda:ClinicalDocument[1]/cda:id[2]", "/ClinicalDocument/id[2]"),
        ("", ""),
    ],
)  # fmt: skip
def test_both_notations_of_a_location_become_our_places(location: str, place: str) -> None:
    assert _place(location) == place


def test_a_schema_speaks_by_lines(tmp_path: Path) -> None:
    schema = tmp_path / "one.xsd"
    schema.write_text(
        '<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema"><xs:element name="a" type="xs:int"/></xs:schema>'
    )
    assert schema_issues(b"<a>1</a>", schema) == []
    [issue] = schema_issues(b"<a>x</a>", schema)
    assert (issue.code, issue.place.path, issue.place.rule) == ("NATIONAL_RULE", "line 1", "ans:xsd")


def test_includes_are_found_in_other_letters_and_never_outside(tmp_path: Path) -> None:
    folder = tmp_path / "schematrons"
    folder.mkdir()
    (folder / "a.sch").write_text('<x><include href="INC.sch"/><include href="../../OUT.sch"/></x>')
    (folder / "inc.sch").write_text("<y/>")
    (tmp_path.parent / "out.sch").write_text("<z/>")
    _repair_letter_case(tmp_path)
    assert (folder / "INC.sch").read_text() == "<y/>"
    assert not (tmp_path.parent / "OUT.sch").exists()


def test_every_profile_is_a_schematron() -> None:
    assert all(path.endswith(".sch") for path in PROFILES.values())
