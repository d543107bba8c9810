"""Tables both ways, systems under all their names, and our own CSVs against themselves and the published sets."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from connector.exchange.directives import REQUIRED
from connector.exchange.rules import INTENTS
from connector.terminology import SIDES, Coded, Systems, Table, Tables, TerminologyError, load

SYSTEMS = """# what is not a setting is a comment
alias,title,oid,uri,hl7,version,source,licence
LOINC,LOINC,2.16.840.1.113883.6.1,http://loinc.org,LN|LOINC-HL7,,Regenstrief,
LOCAL,Local,,http://example.org/codes,,,us,
NAME,Only a name,,,,,us,
"""
COLOURS = """# version: 2
# source: a test
# fhir_system: LOINC
exchange,exchange_system,hl7,fhir,cda,xds,display,class
red,LOINC,R|RD,red,1,,Rouge,warm
green,LOINC,G,>green,,g,Vert,
blue,LOCAL,>G,green,3,b,Bleu,cold
"""


def colours() -> Table:
    return load({"systems.csv": SYSTEMS, "terminology/colours.csv": COLOURS}).table("colours")


# --- systems ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["LOINC", "2.16.840.1.113883.6.1", "urn:oid:2.16.840.1.113883.6.1", "http://loinc.org", "LN", "LOINC-HL7"]
)
def test_a_system_is_known_by_all_its_names(name: str) -> None:
    systems = load({"systems.csv": SYSTEMS}).systems
    assert systems.canonical(name) == "2.16.840.1.113883.6.1"
    assert systems.oid(name) == "2.16.840.1.113883.6.1"
    assert systems.uri(name) == "http://loinc.org"
    assert systems.hl7(name) == "LN"
    assert [systems.for_side(side, name) for side in SIDES] == [
        "2.16.840.1.113883.6.1", "LN", "http://loinc.org", "2.16.840.1.113883.6.1", "2.16.840.1.113883.6.1",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "canonical", "oid", "uri", "hl7"),
    [
        ("LOCAL", "http://example.org/codes", None, "http://example.org/codes", "LOCAL"),
        ("NAME", "NAME", None, None, "NAME"),
        ("1.2.3", "1.2.3", "1.2.3", "urn:oid:1.2.3", "1.2.3"),
        ("urn:oid:1.2.3", "1.2.3", "1.2.3", "urn:oid:1.2.3", "urn:oid:1.2.3"),
        ("http://unknown.example", "http://unknown.example", None, "http://unknown.example", "http://unknown.example"),
        ("99LAB", "99LAB", None, None, "99LAB"),
    ],
)
def test_an_unknown_system_is_kept(name: str, canonical: str, oid: str | None, uri: str | None, hl7: str) -> None:
    systems = load({"systems.csv": SYSTEMS}).systems
    assert (systems.canonical(name), systems.oid(name), systems.uri(name), systems.hl7(name)) == (
        canonical,
        oid,
        uri,
        hl7,
    )


def test_two_systems_cannot_share_a_name() -> None:
    with pytest.raises(TerminologyError, match=r"systems\.csv:6: 'LN' already names"):
        load({"systems.csv": SYSTEMS + "OTHER,Other,1.2.3,,LN,,,\n"})


# --- tables ----------------------------------------------------------------------------------------------------------


def test_a_code_goes_both_ways() -> None:
    table = colours()
    assert table.to_exchange("hl7", "R") == "red"
    assert table.from_exchange("hl7", "red") == Coded("R", "LN", "Rouge")
    assert table.from_exchange("cda", "red") == Coded("1", "2.16.840.1.113883.6.1", "Rouge")
    assert table.from_exchange("exchange", "red") == Coded("red", "2.16.840.1.113883.6.1", "Rouge")
    assert table.from_exchange("fhir", "blue") == Coded("green", "http://loinc.org", "Bleu")
    assert table.from_exchange("hl7", "blue") == Coded("G", "LOCAL", "Bleu")


def test_a_second_code_is_read_and_the_first_written() -> None:
    assert colours().to_exchange("hl7", "RD") == "red"
    assert colours().from_exchange("hl7", "red") == Coded("R", "LN", "Rouge")


def test_a_code_that_is_written_only_is_read_by_another_row() -> None:
    assert colours().to_exchange("hl7", "G") == "green"
    assert colours().to_exchange("fhir", "green") == "blue"
    assert colours().clashes == []


def test_what_a_format_cannot_say_is_none() -> None:
    assert colours().from_exchange("xds", "red") is None
    assert colours().from_exchange("cda", "green") is None
    assert colours().to_exchange("cda", "2") is None
    assert colours().from_exchange("hl7", "pink") is None
    assert colours().to_exchange("hl7", "") is None


def test_a_row_says_where_it_stands() -> None:
    table = colours()
    for row in (table.row_of("hl7", "RD"), table.row_of("exchange", "red")):
        assert row is not None
        assert row.place == "terminology/colours.csv:5"
    assert table.row_of("hl7", "X") is None
    assert table.get("red", "class") == "warm"
    assert table.get("green", "class") is None
    assert table.get("pink", "class") is None
    assert (table.version, table.source, len(table)) == ("2", "a test", 3)
    assert "red" in table
    assert "pink" not in table


def test_views_for_compiled_closures() -> None:
    assert colours().reads("hl7") == {"R": "red", "RD": "red", "G": "green"}
    assert colours().writes("cda")["blue"].code == "3"


def test_one_code_under_two_systems_is_two_concepts() -> None:
    text = "exchange,exchange_system,display\n11,1.2.3,One\n11,1.2.4,Other\n12,1.2.4,Twelve\n"
    table = load({"codes.csv": text}).table("codes")
    assert table.clashes == []
    assert table.to_exchange("cda", "11", "1.2.4") == "11"
    assert table.from_exchange("cda", "11") == Coded("11", "1.2.3", "One")


def test_a_quoted_line_break_keeps_the_line_numbers() -> None:
    table = load({"t.csv": 'exchange,note\na,"two\nlines"\nb,\n'}).table("t")
    assert [row.place for row in table.rows] == ["t.csv:3", "t.csv:4"]


def test_a_clash_is_reported_with_both_places() -> None:
    tables = load({"t.csv": "exchange,hl7\na,X\nb,Y|X\nc,>X\n"})
    (clash,) = tables.clashes
    assert (clash.place, clash.other, clash.side, clash.code) == ("t.csv:3", "t.csv:2", "hl7", "X")
    assert "t.csv:2" in str(clash)
    assert tables.table("t").to_exchange("hl7", "X") == "a"


MISTAKES = [
    ("", "t.csv:1", "no header"),
    ("# version: 1\n", "t.csv:2", "no header"),
    ("hl7,fhir\n", "t.csv:1", "missing column 'exchange'"),
    ("exchange,hl17\n", "t.csv:1", "did you mean 'hl7'?"),
    ("exchange,hl7,hl7\n", "t.csv:1", "stands twice"),
    ("exchange,hl7\na\n", "t.csv:2", "1 cells under 2 columns"),
    ("exchange,hl7\n,b\n", "t.csv:2", "exchange column is empty"),
    ("# version: 1\nexchange,hl7\na,b\n\na,c\n", "t.csv:5", "'a' is already defined by t.csv:3"),
    ('exchange,hl7\n"a"b,c\n', "t.csv:2", "expected"),
]


@pytest.mark.parametrize(("text", "place", "says"), MISTAKES)
def test_a_mistake_in_our_own_file_has_its_line(text: str, place: str, says: str) -> None:
    with pytest.raises(TerminologyError) as caught:
        load({"t.csv": text})
    assert caught.value.place == place
    assert says in caught.value.text


def test_an_unknown_table_suggests_the_nearest() -> None:
    with pytest.raises(KeyError, match="did you mean 'colours'"):
        load({"colours.csv": COLOURS}).table("colour")


def test_nothing_at_all() -> None:
    assert list(load({})) == []
    assert Systems().canonical("x") == "x"


# --- our own ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def ours(root: Path) -> Tables:
    return load(
        {f"terminology/{path.name}": path.read_text(encoding="utf-8") for path in root.glob("terminology/*.csv")}
    )


def test_our_tables_do_not_clash(ours: Tables) -> None:
    assert [str(clash) for clash in ours.clashes] == []


def test_every_table_names_its_version_and_source(ours: Tables) -> None:
    assert [table.name for table in ours if not (table.version and table.source and len(table))] == []


def test_every_table_is_described(ours: Tables, root: Path) -> None:
    text = (root / "terminology/README.md").read_text(encoding="utf-8")
    assert [table.name for table in ours if f"`{table.name}.csv`" not in text] == []


def test_every_system_of_a_table_is_known(ours: Tables) -> None:
    unknown = {
        (row.place, row.cells[column])
        for table in ours
        for row in table.rows
        for column in row.cells
        if column.endswith("_system") and ours.systems.find(row.cells[column]) is None
    }
    assert unknown == set()


def test_what_is_written_is_read_back(ours: Tables) -> None:
    lost = [
        (table.name, side, row.exchange)
        for table in ours
        for row in table.rows
        for side in SIDES
        if (coded := table.from_exchange(side, row.exchange)) is not None
        and table.to_exchange(side, coded.code) != row.exchange
        and f">{coded.code}" not in row.cells.get(side, "").split("|")
    ]
    assert lost == []


def test_the_document_types_are_a_tree(ours: Tables) -> None:
    types, classes = ours.table("document-types"), ours.table("document-classes")
    active = [row for row in types.rows if row.get("status") is None]
    assert len(active) == 121
    assert {row.get("class") for row in types.rows} - {None} <= {row.exchange for row in classes.rows}
    assert all(row.get("display") for row in active)
    assert types.get("85208-7", "class") is not None
    assert types.from_exchange("hl7", "34112-3") == Coded("34112-3", "LN", types.get("34112-3", "display"))


def test_the_directives_are_those_of_the_rules(ours: Tables) -> None:
    table = ours.table("meta-dmp")
    assert [row.exchange for row in table.rows if row.get("class") == "required"] == list(REQUIRED.values())
    assert len(table) == 12
    assert table.from_exchange("hl7", "DESTDMP") == Coded("DESTDMP", "MetaDMPMSS", "Destinataire DMP")
    assert table.to_exchange("hl7", "ACK_LECTURE") == "ACK_LECTURE_MSS"


def test_intents_are_those_of_the_rules(ours: Tables) -> None:
    for intent, (event, control, _) in INTENTS.items():
        assert ours.table("intent-event").to_exchange("hl7", event) == intent
        assert ours.table("intent-control").to_exchange("hl7", control) == intent
    assert [ours.table("document-status").to_exchange("hl7", status) for status in "FCD"] == [
        "final",
        "replacement",
        "deletion",
    ]


SAMPLES = [
    ("sex", "hl7", "A", "other"), ("sex", "cda", "UN", "unknown"), ("sex", "fhir", "female", "female"),
    ("name-use", "hl7", "L", "birth"), ("name-use", "cda", "SP", "usual"), ("name-use", "fhir", "official", "birth"),
    ("identity-reliability", "hl7", "VALI", "validated"), ("identity-reliability", "fhir", "PROV", "provisional"),
    ("encounter-class", "hl7", "N", "none"), ("encounter-class", "fhir", "IMP", "inpatient"), ("yes-no", "hl7", "N", "false"),
    ("visibility", "hl7", "INVISIBLE_REP_LEGAUX", "INVISIBLE_REPRESENTANTS_LEGAUX"), ("prt-role", "hl7", "RCT", "RCT"),
    ("formats-by-media", "cda", "application/pdf", "urn:ihe:iti:xds-sd:pdf:2008"), ("charsets", "hl7", "8859/15", "iso-8859-15"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "side", "code", "word"), SAMPLES)
def test_words_of_small_tables(ours: Tables, name: str, side: str, code: str, word: str) -> None:
    assert ours.table(name).to_exchange(side, code) == word


@pytest.mark.parametrize(("word", "content"), [("inpatient", "03"), ("outpatient", "07"), ("emergency", "07"), ("recurring", "19"), ("none", "97")])  # fmt: skip
def test_content_type_proposed_from_the_class_of_the_stay(ours: Tables, word: str, content: str) -> None:
    coded = ours.table("encounter-class").from_exchange("xds", word)
    assert coded is not None
    assert (coded.code, coded.system) == (content, "1.2.250.1.213.2.2")
    assert ours.table("content-types").to_exchange("xds", content, "1.2.250.1.213.2.2") == content


def test_labels_of_the_volet_are_exact(ours: Tables) -> None:
    labels = [row.get("display") for row in ours.table("meta-dmp").rows]
    assert labels[:3] == [
        "Masqué aux professionnels de Santé",
        "Document Non Visible par le patient",
        "Non visible par les représentants Légaux du patient",
    ]
    assert ours.table("yes-no").from_exchange("hl7", "true") == Coded("Y", "expandedYes-NoIndicator", None)
    assert ours.table("prt-role").from_exchange("hl7", "SB") == Coded("SB", "participation", "Send by")


PUBLISHED = [
    ("document-types", ["type_codes.csv", "type_codes_retired.csv"]), ("document-classes", ["class_codes.csv"]),
    ("practice-settings", ["practice_setting.csv"]), ("healthcare-facilities", ["healthcare_facility.csv"]),
    ("author-specialties", ["author_specialty.csv"]), ("author-functions", ["function_code.csv"]),
    ("professions", ["profession_g15.csv"]), ("professions-other", ["profession_non_ps.csv"]),
    ("specialties", ["savoir_faire_r01.csv"]), ("titles", ["titre.csv"]), ("civilities", ["civilite.csv"]),
    ("participation-types", ["participation_type.csv"]), ("encounter-types", ["encounter_type.csv"]),
    ("encounter-participations", ["encounter_participation.csv"]), ("role-classes", ["role_class.csv"]),
    ("patient-relations", ["relation_patient.csv"]), ("content-types", ["content_type.csv"]),
    ("imaging-events", ["event_code_imaging.csv"]), ("reference-id-types", ["reference_id_types.csv"]), ("formats", ["format_codes.csv"]),
]  # fmt: skip


@pytest.mark.shared
@pytest.mark.parametrize(("name", "files"), PUBLISHED)
def test_our_codes_are_the_published_ones(ours: Tables, shared: Path, name: str, files: list[str]) -> None:
    published: list[tuple[str, str, str]] = []
    for file in files:
        with (shared / "terminology" / file).open(encoding="utf-8", newline="") as lines:
            published += [(row["code"], row["system_oid"], row["class_code"]) for row in csv.DictReader(lines)]
    table = ours.table(name)
    with_class = name == "document-types"
    have = sorted((row.exchange, row.get("class") or "" if with_class else "") for row in table.rows)
    assert have == sorted((code, kind if with_class else "") for code, _, kind in published)
    for code, oid, _ in published:
        systems = {ours.systems.canonical(row.cells["exchange_system"]) for row in table.rows if row.exchange == code}
        assert oid in systems or not oid[:1].isdigit()


@pytest.mark.shared
def test_formats_by_template_are_the_published_ones(ours: Tables, shared: Path) -> None:
    with (shared / "terminology/format_by_template.csv").open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            name, code = (
                ("formats-by-media", row["n1_media_type"])
                if row["n1_media_type"]
                else ("formats-by-template", row["template_id"])
            )
            assert ours.table(name).to_exchange("cda", code) == row["format_code"]
