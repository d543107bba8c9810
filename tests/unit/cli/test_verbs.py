"""The verbs that need no running connector."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from connector.cli.check import golden_cases
from connector.cli.scaffold import files
from connector.endpoints.mllp_peer import Answering, ScriptedPeer, answering, control_id, with_control_id
from connector.settings import load_settings

from .conftest import Command

NAME = "PAT-TROIS"  # the test patient: only what was asked for may show it


@contextmanager
def peer(answer: Answering) -> Iterator[tuple[int, list[bytes]]]:
    """A scripted partner on a loop of its own."""
    received: list[bytes] = []
    loop = asyncio.new_event_loop()
    partner = ScriptedPeer(answer, received.append, now=lambda: "2026-01-05T10:00:00.000+01:00")
    loop.run_until_complete(partner.start("127.0.0.1", 0))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield partner.port, received
    finally:
        asyncio.run_coroutine_threadsafe(partner.stop(), loop).result(5)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


# --- init and check


@pytest.mark.parametrize("language", ["fr", "en"])
def test_a_new_site_is_right_as_it_stands(command: Command, tmp_path: Path, language: str) -> None:
    made = command("--lang", language, "--json", "init", "clinique")
    assert made.code == 0, made
    assert {"connector.yaml", "mappings/hl7/segments/PID.yaml", ".gitignore", "README.md"} <= set(made.data["files"])
    checked = command("--json", "check", "clinique")
    assert (checked.code, checked.data) == (0, {"mistakes": [], "cases": 1})
    site = load_settings(tmp_path / "clinique" / "connector.yaml", environ={})
    assert (site.site, site.environment) == ("clinique", "test")


def test_init_never_overwrites(command: Command, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "README.md").write_text("mine", encoding="utf-8")
    result = command("init", "there")
    assert result.code == 1
    assert "README.md is already there" in result.err
    assert sorted(path.name for path in (tmp_path / "there").iterdir()) == ["README.md"]


def test_check_says_every_mistake_with_file_and_line(command: Command, tmp_path: Path) -> None:
    command("init", "site")
    site = tmp_path / "site"
    settings = site / "connector.yaml"
    settings.write_text(settings.read_text("utf-8").replace("environment: test", "environment: tset"), encoding="utf-8")
    overlay = site / "mappings" / "hl7" / "segments" / "PID.yaml"
    overlay.write_text(overlay.read_text("utf-8") + "  - {hl7: PID-77, exchange: brith_date}\n", encoding="utf-8")
    result = command("--json", "check", "site")
    assert result.code == 1
    places = [(Path(mistake["place"].rpartition(":")[0]).name, mistake["text"]) for mistake in result.data["details"]]
    assert ("connector.yaml", "environment: Input should be 'test' or 'production'") in places
    assert any(name == "PID.yaml" for name, _ in places), places


def test_check_compares_the_golden_cases(command: Command, tmp_path: Path) -> None:
    command("init", "site")
    [case] = golden_cases(tmp_path / "site")
    (case.parent / "unread.txt").write_text("something else\n", encoding="utf-8")
    (case.parent / "issues.txt").unlink()
    result = command("check", "site")
    assert result.code == 1
    assert "unread.txt:1: is not what the mappings make today" in result.err
    assert "issues.txt: is missing" in result.err
    assert command("check", "site", "--update-golden").code == 0
    assert command("check", "site").code == 0


def test_a_broken_table_of_a_site_is_told_with_its_line(command: Command, tmp_path: Path) -> None:
    command("init", "site")
    (tmp_path / "site" / "terminology" / "sex.csv").write_text("exchange,hl7\nmale,M\nmale,H\n", encoding="utf-8")
    result = command("check", "site")
    assert result.code == 1
    assert "sex.csv:3" in result.err


def test_the_scaffold_names_no_other_site() -> None:
    for language in ("fr", "en"):
        made = files("a", language, overlay=("hl7/segments/PID", "  - {hl7: PID-7}"), message=b"MSH")
        assert all(b"{" + b"site" not in content for content in made.values())


# --- convert, explain, validate


@pytest.mark.parametrize(
    ("to", "begins"),
    [
        ("fhir", '{"resourceType":"Bundle"'),
        ("cda", "<?xml"),
        ("exchange", '{\n  "intent": "submit"'),
        ("hl7", "MSH|^~\\&|"),
    ],
)
def test_a_message_is_converted_to_each_format(command: Command, letter: Path, to: str, begins: str) -> None:
    result = command("convert", letter, "--to", to)
    assert result.code == 0, result.err
    assert result.out.startswith(begins)


def test_a_conversion_is_written_to_a_file_and_back(command: Command, letter: Path, tmp_path: Path) -> None:
    assert command("convert", letter, "--to", "exchange", "-o", tmp_path / "e.json").code == 0
    back = command("convert", tmp_path / "e.json", "--to", "hl7")
    assert back.code == 0
    assert "MDM^T02" in back.out.split("\r")[0]


def test_the_trace_goes_to_the_error_stream_without_values(command: Command, letter: Path) -> None:
    result = command("convert", letter, "--to", "fhir", "--trace")
    assert "PID[1]-3[1].1" in result.err
    assert "mappings/" not in result.err
    assert NAME not in result.err
    assert NAME in result.out


@pytest.mark.parametrize("content", [b"", b"nothing", b"MSH|^~\\&|", b"<ClinicalDocument/>", b"{", b"\x00\xff"])
def test_what_cannot_be_read_is_refused_with_reasons(command: Command, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x").write_bytes(content)
    result = command("convert", tmp_path / "x")
    assert (result.code, result.out) == (1, "")
    assert result.err.strip()


def test_explain_tells_places_rules_and_what_was_not_used(command: Command, letter: Path) -> None:
    told = command("--json", "explain", letter)
    assert told.code == 0, told.err
    outputs = {entry["output"]: entry for entry in told.data["outputs"]}
    birth = outputs["Patient[1].birthDate"]
    assert birth["sources"] == ["PID[1]-7"]
    assert birth["rules"][0].startswith("mappings/hl7/segments/PID.yaml:")
    assert "EVN[1]-5.1.1" in told.data["unread"] or told.data["unread"]
    assert told.data["unwritten"]
    assert NAME not in told.out


def test_explain_shows_values_only_when_asked(command: Command, letter: Path) -> None:
    assert NAME not in command("explain", letter, "--path", "PID[1]-5").out
    assert NAME in command("explain", letter, "--path", "PID[1]-5", "--values").out


def test_validate_tells_the_format_and_the_issues(command: Command, letter: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.hl7"
    bad.write_bytes(letter.read_bytes().replace(b"279035121518989", b"279035121518988"))
    result = command("--json", "validate", letter, bad)
    assert result.code == 1
    good, wrong = result.data
    assert (good["format"], good["accepted"]) == ("hl7", True)
    assert "INS_KEY" in [issue["code"] for issue in wrong["issues"]]
    assert NAME not in result.out


# --- send


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("AA", Answering()),
        ("ae", Answering("AE")),
        ("none", Answering(silent=True)),
        ("late:0.5", Answering(after=0.5)),
        ("reset", Answering(reset=True)),
    ],
)
def test_what_a_listener_is_told_to_answer(text: str, expected: Answering) -> None:
    assert answering(text) == expected


@pytest.mark.parametrize("text", ["", "AB", "late", "late:x", "late:-1"])
def test_an_answer_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="late:S"):
        answering(text)


def test_a_fresh_id_replaces_msh_10_and_nothing_else() -> None:
    raw = b"MSH|^~\\&|A|B|C|D|2026||ADT^A01|OLD|T|2.5\rPID|1||OLD\r"
    assert with_control_id(raw, "NEW") == raw.replace(b"OLD|T", b"NEW|T")
    assert control_id(with_control_id(b"MSH|^~\\&|A\r", "NEW")) == "NEW"
    with pytest.raises(ValueError, match="MSH"):
        with_control_id(b"PID|1", "NEW")


def test_an_accepted_message_is_code_0_and_its_bytes_are_unchanged(command: Command, letter: Path) -> None:
    with peer(Answering()) as (port, received):
        result = command("--json", "send", letter, "--mllp", f"127.0.0.1:{port}")
    assert result.code == 0
    assert received == [letter.read_bytes()]
    assert (result.data[0]["codes"], result.data[0]["control_id"]) == (["AA"], "CLI0001")


def test_a_fresh_id_differs_each_time(command: Command, letter: Path) -> None:
    with peer(Answering()) as (port, received):
        for _ in range(2):
            assert command("send", letter, "--mllp", f"127.0.0.1:{port}", "--fresh-id").code == 0
    identities = {control_id(raw) for raw in received}
    assert len(identities) == 2
    assert "CLI0001" not in identities


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Answering("AE"), "AE"),
        (Answering("AR"), "AR"),
        (Answering(silent=True), "no answer within"),
        (Answering(reset=True), "connection"),
    ],
)
def test_a_message_that_was_not_accepted_is_code_1(
    command: Command, letter: Path, answer: Answering, words: str
) -> None:
    with peer(answer) as (port, _):
        result = command("send", letter, "--mllp", str(port), "--timeout", "0.3")
    assert result.code == 1
    assert words in result.out
    assert NAME not in result.out + result.err


# --- settings, doctor


def test_the_reference_page_of_the_settings_is_the_one_made_of_the_models(command: Command, root: Path) -> None:
    page = (root / "docs" / "reference" / "settings.md").read_text(encoding="utf-8")
    assert command("settings", "--reference").out == page, "connector settings --reference > docs/reference/settings.md"


def test_the_schema_knows_the_kinds(command: Command) -> None:
    schema = json.loads(command("settings", "--schema").out)
    kinds = {rule["if"]["properties"]["kind"]["const"] for rule in schema["$defs"]["DestinationSettings"]["allOf"]}
    assert {"folder", "fhir", "mllp"} <= kinds


def test_the_settings_in_force_show_references_not_secrets(command: Command, tmp_path: Path) -> None:
    (tmp_path / "connector.yaml").write_text(
        "site: s\nenvironment: test\ndatabase_password: env:PG\n", encoding="utf-8"
    )
    assert command("--json", "settings").data["database_password"] == "env:PG"


def test_doctor_passes_where_all_is_well_and_fails_where_a_secret_is_absent(command: Command, tmp_path: Path) -> None:
    (tmp_path / "connector.yaml").write_text("site: s\nenvironment: test\nhttp: {port: 0}\n", encoding="utf-8")
    well = command("--json", "doctor")
    assert well.code == 0, well
    assert {finding["subject"] for finding in well.data} == {
        "Python",
        "SQLite",
        "Data",
        "Journal",
        "Ports",
        "Clock",
        "Mappings",
    }
    with (tmp_path / "connector.yaml").open("a", encoding="utf-8") as file:
        file.write("database_password: env:NOT_THERE\n")
    ill = command("doctor")
    assert ill.code == 1
    assert "NOT_THERE is not set" in ill.out


@pytest.mark.parametrize(("shape", "first"), [("transaction", "Patient"), ("document", "Composition")])
def test_a_letter_with_sections_is_a_transaction_or_a_fhir_document(
    command: Command, root: Path, shape: str, first: str
) -> None:
    letter = root / "tests" / "golden" / "fhir" / "structured-letter" / "exchange.json"
    made = json.loads(command("convert", letter, "--to", "fhir", "--shape", shape).out)
    kinds = [each["resource"]["resourceType"] for each in made["entry"]]
    assert (made["type"], kinds[0]) == (shape, first)
    assert {"Composition", "Condition", "AllergyIntolerance", "MedicationStatement", "Procedure"} <= set(kinds)


def test_an_unknown_shape_is_named(command: Command, letter: Path) -> None:
    refused = command("convert", letter, "--shape", "bundle")
    assert refused.code == 2
    assert "transaction, document" in refused.err
