"""Sections: what is read, what is listed as unread, what is written and comes back."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from connector.cda.codec import parse
from connector.cda.document import read_document, write_document
from connector.cda.sections import read_sections
from connector.exchange.attachment import Content
from connector.exchange.clinical import Medication, Section
from connector.exchange.model import Exchange
from connector.exchange.people import Concept
from connector.exchange.results import Observation, Quantity
from connector.issues import Issue, Severity
from connector.mapping.catalogue import Library
from connector.mapping.language import Run
from tests.unit.cda import clinical
from tests.unit.cda.sections_kit import BODY, again, around, read, section, written

ENTRY = f"{BODY}/component/section/entry"
PCC = "1.3.6.1.4.1.19376.1.5.3.1.4."


def walked(sections: tuple[Section, ...]) -> Iterator[Section]:
    for each in sections:
        yield each
        yield from walked(each.sections)


def observation(inside: str, attributes: str = 'classCode="OBS" moodCode="EVN"') -> str:
    """A simple observation as an entry."""
    return f'<entry><observation {attributes}><templateId root="{PCC}13"/>{inside}</observation></entry>'


# --- our own ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("one", [*clinical.SECTIONS, clinical.BIOLOGY], ids=lambda one: one.title)
def test_a_section_reads_as_it_was_written_and_nothing_of_it_is_unread(
    one: Section, run: Run, library: Library
) -> None:
    assert again((one,), run, library) == (one,)
    assert run.issues == []


def test_sections_stand_in_sections(run: Run, library: Library) -> None:
    tree = (
        replace(
            clinical.RESULTS, sections=(clinical.BIOLOGY, replace(clinical.PROBLEMS, sections=(clinical.ALLERGIES,)))
        ),
    )
    assert again(tree, run, library) == tree


def test_a_document_with_sections_and_no_content_is_a_structured_cda(run: Run, library: Library, root: Path) -> None:
    raw = (root / "tests" / "golden" / "cda" / "n1-everything" / "in.cda.xml").read_bytes()
    header = read_document(raw, run, library).value
    assert header is not None
    document = replace(
        header.document, content=None, body=None, templates=("1.2.250.1.213.1.1.1.13",), sections=clinical.SECTIONS
    )
    made = write_document(
        Exchange(documents=(document,), patient=header.patient, encounter=header.encounter), run, library
    )
    assert made.value is not None
    assert [str(each.place) for each in made.issues if each.severity >= Severity.WARNING] == []
    found = read_document(made.value, run, library).value
    assert found is not None
    assert found.document.title == document.title
    assert read_sections(found.clinical, run, library) == clinical.SECTIONS


def test_a_section_without_text_gets_one_that_says_its_entries(run: Run, library: Library) -> None:
    bare = tuple(replace(each, text=None) for each in (*clinical.SECTIONS, clinical.BIOLOGY))
    back = again(bare, run, library)
    assert tuple(replace(each, text=None) for each in back) == bare
    said = [each.text or "" for each in back]
    for number, expected in enumerate(
        (
            "Douleurs du genou droit",
            "Urticaire",
            "Salbutamol",
            "Vaccin grippal",
            "Appendicectomie",
            "61.0 kg",
            "Tabac",
            "&lt;5 mg/L",
        )
    ):
        assert expected in said[number]
    assert run.issues == []


def test_an_entry_refers_to_the_narrative_that_holds_its_words(run: Run, library: Library) -> None:
    raw = written((clinical.PROBLEMS,), run, library).decode()
    assert '<originalText><reference value="#p1"/></originalText>' in raw
    assert '<text><reference value="#p1c"/></text>' in raw
    assert 'Douleurs du genou droit<reference value="#narrative-1"/>' in raw


def test_a_plan_is_said_by_its_mood_and_a_status_that_says_nothing_is_unknown(run: Run, library: Library) -> None:
    kept = {}
    for status in ("intended", "active", "stopped", "unknown", None):
        one = Section(
            text=clinical.div("<tr><td>x</td></tr>"), medications=(Medication(status=status, text="Paracétamol"),)
        )
        kept[status] = again((one,), run, library)[0].medications[0].status
    assert kept == {
        "intended": "intended",
        "active": "active",
        "stopped": "stopped",
        "unknown": "unknown",
        None: "unknown",
    }


def test_a_file_shown_in_a_section_comes_back(run: Run, library: Library) -> None:
    text = '<div xmlns="http://www.w3.org/1999/xhtml"><p><span class="renderMultiMedia" title="IMG1">[IMG1]</span></p></div>'
    one = Section(text=text, media=(Content(media_type="image/png", data=b"\x89PNG\r\n\x1a\n"),))
    raw = written((one,), run, library)
    assert b'<renderMultiMedia referencedObject="IMG1">' in raw
    assert b'ID="IMG1"' in raw
    back = read(raw, run, library)[0]
    assert (back.text, back.media[0].data, back.media[0].media_type) == (text, b"\x89PNG\r\n\x1a\n", "image/png")


def test_a_narrative_that_is_no_xhtml_is_told_and_the_entries_speak(run: Run, library: Library) -> None:
    back = again((replace(clinical.PROBLEMS, text="<div><p>"),), run, library)
    assert "Asthme" in (back[0].text or "")
    assert [(each.severity, each.code) for each in run.issues] == [(Severity.WARNING, "MAP_NOT_WRITABLE")]


def test_an_id_stands_once_in_a_document(run: Run, library: Library) -> None:
    one = Section(text='<div xmlns="http://www.w3.org/1999/xhtml"><p id="a">x</p></div>')
    raw = written((one, one), run, library).decode()
    assert (raw.count('ID="a"'), raw.count("<paragraph>x</paragraph>")) == (1, 1)


# --- of others --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ('<value xsi:type="PQ" value="1.10" unit="g"/>', Observation(quantity=clinical.quantity("1.10", "g"))),
        ('<value xsi:type="INT" value="3"/>', Observation(quantity=Quantity(value="3"))),
        ('<value xsi:type="IVL_PQ"><high value="5" unit="g" inclusive="false"/></value>', Observation(quantity=replace(clinical.quantity("5", "g"), comparator="<"))),
        ('<value xsi:type="ST">Trace</value>', Observation(text="Trace")),
        ('<value xsi:type="BL" value="true"/>', Observation(boolean=True)),
        ('<value xsi:type="TS" value="20260102"/>', Observation(moment="2026-01-02")),
        ('<value xsi:type="CE" code="A" codeSystem="1.2.3"/>', Observation(coded=(Concept(code="A", system="1.2.3"),))),
        ('<value xsi:type="CD"><originalText><reference value="#w"/></originalText></value>', Observation(text="paille")),
        ('<value xsi:type="PQ" nullFlavor="UNK"/>', Observation()),
    ],
)  # fmt: skip
def test_values_by_their_type(value: str, expected: Observation, run: Run, library: Library) -> None:
    raw = section(
        '<text><content ID="w">paille</content></text>' + observation(f'<code code="X" codeSystem="1.2.9"/>{value}')
    )
    assert read(raw, run, library)[0].observations == (replace(expected, code=Concept(code="X", system="1.2.9")),)


@pytest.mark.parametrize(
    "entry",
    [
        observation(
            '<code code="X"/><value xsi:type="BL" value="true"/>', 'classCode="OBS" moodCode="EVN" negationInd="true"'
        ),
        observation('<code code="X"/><value xsi:type="PQ" value="60" unit="kg"/>', 'classCode="OBS" moodCode="GOL"'),
        f'<entry><substanceAdministration moodCode="INT"><templateId root="{PCC}12"/><id root="1.2.3"/></substanceAdministration></entry>',
        '<entry><supply moodCode="EVN"><templateId root="1.2.250.1.213.1.1.3.20"/><id root="1.2.3"/></supply></entry>',
        '<entry><observation moodCode="EVN"><templateId root="1.2.3"/><code code="X"/></observation></entry>',
        "<entry/>",
    ],
    ids=["negated", "a goal", "a vaccine proposed", "another kind", "another template", "nothing"],
)
def test_what_is_no_fact_of_a_known_kind_is_listed_and_not_read(entry: str, run: Run, library: Library) -> None:
    (one,) = read(section("<title>A</title>" + observation('<code code="Y"/>') + entry), run, library)
    assert one.unread == (f"{ENTRY}[2]",)
    assert len(one.observations) == 1


def test_what_an_entry_holds_beyond_is_counted_with_the_place_of_the_first_and_no_value(
    run: Run, library: Library
) -> None:
    inside = (
        '<code code="X"><qualifier><value code="SECRET"/></qualifier></code><effectiveTime><low value="2026"/><high value="2027"/></effectiveTime>'
        '<entryRelationship typeCode="REFR"><observation classCode="OBS"><code code="11323-3"/><value xsi:type="CD" code="SECRET"/></observation></entryRelationship>'
    )
    read(section(observation('<code code="Y"/>') + observation(inside)), run, library)
    (told,) = run.issues
    assert (told.severity, told.code) == (Severity.INFORMATION, "CDA_ENTRY_UNREAD")
    assert told.place.path == f"{ENTRY}[2]/observation/code/qualifier"
    assert int(told.params["count"]) >= 3
    assert "SECRET" not in str(told) + told.text("fr")


def test_a_relation_with_the_form_of_a_known_one_is_not_taken_for_it(run: Run, library: Library) -> None:
    relation = '<entryRelationship typeCode="{}"><observation classCode="OBS"><code code="{}"/><value xsi:type="CD" code="{}"/></observation></entryRelationship>'
    problem = (
        f'<entry><act><templateId root="{PCC}5.2"/><statusCode code="active"/><entryRelationship typeCode="SUBJ"><observation classCode="OBS">'
        f'<templateId root="{PCC}5"/><value xsi:type="CD" code="A"/>{relation.format("SUBJ", "SEV", "S")}{relation.format("SUBJ", "75620-5", "T")}'
        "</observation></entryRelationship></act></entry>"
    )
    (one,) = read(section(problem), run, library)
    assert one.problems[0].severity == Concept(code="S")
    assert [each.place.path for each in run.issues] == [
        f"{ENTRY}/act/entryRelationship/observation/entryRelationship[2]"
    ]


def test_a_defect_of_an_entry_is_a_warning_at_its_place(run: Run, library: Library) -> None:
    (one,) = read(
        section(
            observation('<code code="X"/>') + observation('<code code="X"/><value xsi:type="PQ" value="beaucoup"/>')
        ),
        run,
        library,
    )
    assert [each.code for each in one.observations] == [Concept(code="X")] * 2
    (told,) = run.issues
    assert (told.severity, told.code, told.place.path) == (
        Severity.WARNING,
        "MAP_DATA_TYPE",
        f"{ENTRY}[2]/observation/value",
    )


def test_each_observation_of_a_concern_is_a_problem_and_the_concern_tells_its_status(
    run: Run, library: Library
) -> None:
    inside = '<entryRelationship typeCode="SUBJ"><observation><id root="1.2.{0}"/><value xsi:type="CD" code="P{0}"/></observation></entryRelationship>'
    raw = section(
        f'<entry><act><templateId root="{PCC}5.2"/><id root="1.2.1"/><statusCode code="completed"/>{inside.format(1)}{inside.format(2)}</act></entry>'
    )
    (one,) = read(raw, run, library)
    assert [(each.code.code, each.status, each.concern and each.concern.value) for each in one.problems if each.code] == [
        ("P1", "resolved", None), ("P2", "resolved", "1.2.1"),
    ]  # fmt: skip


def test_a_code_that_only_a_translation_has_and_words_that_no_code_says(run: Run, library: Library) -> None:
    problem = f'<entry><observation><templateId root="{PCC}5"/><text><reference value="#{{}}"/></text><value xsi:type="CD">{{}}</value></observation></entry>'
    raw = section(
        '<text ID="whole"><content ID="w">Mal de <content>tête</content></content></text>'
        + problem.format("w", '<translation code="R51" codeSystem="1.2.3"/>') + problem.format("w", "") + problem.format("whole", "") + problem.format("none", "")
    )  # fmt: skip
    found = [(each.code, each.text) for each in read(raw, run, library)[0].problems]
    assert found == [(Concept(code="R51", system="1.2.3"), None), (None, "Mal de tête")]


def test_a_laboratory_entry_is_a_report_for_each_battery_after_the_results_that_stand_alone(
    run: Run, library: Library
) -> None:
    result = '<observation classCode="OBS"><templateId root="1.3.6.1.4.1.19376.1.3.1.6"/><code code="{}"/><value xsi:type="INT" value="1"/></observation>'
    raw = section(
        '<entry><templateId root="1.3.6.1.4.1.19376.1.3.1"/><act classCode="ACT" moodCode="EVN"><code code="CH"/><statusCode code="completed"/>'
        '<entryRelationship typeCode="COMP"><procedure classCode="PROC"><participant typeCode="PRD"><participantRole classCode="SPEC"><playingEntity>'
        '<code code="BLD"/></playingEntity></participantRole></participant></procedure></entryRelationship>'
        f'<entryRelationship typeCode="COMP">{result.format("A")}</entryRelationship><entryRelationship typeCode="COMP">'
        f'<organizer classCode="BATTERY"><code code="B"/><component>{result.format("C")}</component><component><organizer classCode="CLUSTER">'
        f'<specimen><specimenRole><specimenPlayingEntity><code code="GERM"/></specimenPlayingEntity></specimenRole></specimen>'
        f"<component>{result.format('D')}</component></organizer></component></organizer></entryRelationship></act></entry>"
    )
    found = [
        (report.category and report.category.code, report.code and report.code.code, report.specimen and report.specimen.type and report.specimen.type.code,
         [each.code.code for each in report.observations if each.code])
        for report in read(raw, run, library)[0].results
    ]  # fmt: skip
    assert found == [(None, "CH", "BLD", ["A"]), ("CH", "B", "BLD", ["C"]), ("CH", None, "GERM", ["D"])]
    assert run.issues == []


def test_a_file_that_is_no_base64_is_told_and_its_entry_unread(run: Run, library: Library) -> None:
    raw = section(
        '<entry><observationMedia><value mediaType="image/png" representation="B64">%%%</value></observationMedia></entry>'
    )
    (one,) = read(raw, run, library)
    assert (one.media, one.unread) == ((), (ENTRY,))
    assert [each.code for each in run.issues] == ["DOCUMENT_ENCODING"]


def test_an_unstructured_document_has_no_sections(run: Run, library: Library, root: Path) -> None:
    raw = (root / "tests" / "golden" / "cda" / "n1-minimal" / "in.cda.xml").read_bytes()
    assert read(raw, run, library) == ()


def test_sections_as_deep_as_the_parser_allows_are_read(run: Run, library: Library) -> None:
    opened, closed = "<component><section>", "</section></component>"
    depth = 120
    tree = read(around(opened * depth + "<title>fond</title>" + closed * depth), run, library)
    assert [each.title for each in walked(tree)] == [None] * (depth - 1) + ["fond"]


def test_many_entries_cost_no_more_than_they_are(run: Run, library: Library) -> None:
    """Counting siblings, relations or words anew for each entry would take minutes here."""
    many = 6000
    relation = '<entryRelationship typeCode="SUBJ"><observation classCode="OBS"><value xsi:type="CD" code="P"/></observation></entryRelationship>'
    ids = '<id root="1.2"/>'
    concern = f'<entry><act><templateId root="{PCC}5.2"/>{ids * many}{relation * many}</act></entry>'
    one = observation('<code code="X"><originalText><reference value="#w"/></originalText><qualifier/></code>')
    text = '<text><content ID="w">' + "mot " * 500_000 + "</content></text>"
    (found,) = read(section(text + concern + one * many), run, library)
    assert (len(found.problems), len(found.observations)) == (many, many)
    assert {each.code for each in found.observations} == {Concept(code="X")}
    assert len(run.issues) == many + 1


def test_the_lines_of_an_inline_text_and_the_number_of_a_relation_are_kept(run: Run, library: Library) -> None:
    inside = '<entryRelationship typeCode="SUBJ"><observation><text>un\ndeux</text><value xsi:type="CD"/><effectiveTime><low value="{}"/></effectiveTime></observation></entryRelationship>'
    raw = section(
        f'<entry><act><templateId root="{PCC}5.2"/>{inside.format("2026")}{inside.format("hier")}</act></entry>'
    )
    assert [each.text for each in read(raw, run, library)[0].problems] == ["un\ndeux"] * 2
    assert [each.place.path for each in run.issues if each.severity == Severity.WARNING] == [
        f"{ENTRY}/act/entryRelationship[2]/observation/effectiveTime/low/@value"
    ]


# --- documents of the ANS, and of the corpus --------------------------------------------------------------------------

KINDS = (
    "problems",
    "allergies",
    "medications",
    "immunizations",
    "procedures",
    "results",
    "vital_signs",
    "observations",
    "media",
    "unread",
)


def counted(files: list[Path], run: Run, library: Library) -> tuple[Counter[str], list[Issue]]:
    """How many values of each kind; no document is refused and no issue is an error."""
    found: Counter[str] = Counter()
    for file in files:
        document = parse(file.read_bytes()).value
        if document is None:
            continue
        for each in walked(read_sections(document, run, library)):
            found["sections"] += 1
            for kind in KINDS:
                found[kind] += len(getattr(each, kind))
            found["results of reports"] += sum(len(report.observations) for report in each.results)
            found["vital signs in them"] += sum(len(report.observations) for report in each.vital_signs)
    return found, run.issues


@pytest.mark.slow
def test_every_entry_of_the_seven_kinds_in_the_examples_of_the_ans(run: Run, library: Library) -> None:
    folder = os.environ.get("ANS_CDA_JUDGE")
    if not folder:
        pytest.skip("ANS_CDA_JUDGE does not name a checkout of ansforge/TestContenuCDA-3-0: its examples were not read")
    files = sorted((Path(folder) / "ExemplesCDA").glob("*.xml"))
    assert len(files) == 94
    found, issues = counted(files, run, library)
    assert found == {
        "sections": 746, "problems": 240, "allergies": 20, "medications": 66, "immunizations": 108, "procedures": 140, "results": 82,
        "results of reports": 282, "vital_signs": 28, "vital signs in them": 98, "observations": 520, "media": 62, "unread": 353,
    }  # fmt: skip
    assert {(each.severity, each.code) for each in issues} == {
        (Severity.INFORMATION, "CDA_ENTRY_UNREAD"), (Severity.WARNING, "MAP_DISAGREES"), (Severity.WARNING, "MAP_CONST"),
    }  # fmt: skip


@pytest.mark.shared
def test_the_documents_of_the_corpus_are_read_without_an_error(shared: Path, run: Run, library: Library) -> None:
    found, issues = counted(sorted((shared / "corpus" / "cda").iterdir()), run, library)
    assert found["sections"] == 95
    assert [each for each in issues if each.severity >= Severity.ERROR] == []
