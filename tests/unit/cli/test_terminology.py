"""Tables kept up to date from the command line: told, taken into the site's folder, and then in force."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import msgspec
import pytest

from connector.app.journal import open_journal
from connector.app.terminologies import SiteTables
from connector.demo import demo_document, demo_message
from connector.engine.clock import SystemClock
from connector.exchange.moments import Moment
from connector.settings import load_settings
from connector.terminology import TerminologyError, untranslated
from tests.journal_kit import entry_of

from .conftest import Command

WHEN = Moment("2026-01-05T10:15:00+01:00")
J08 = "1.2.250.1.213.1.1.5.463"


@pytest.fixture
def site(tmp_path: Path, command: Command) -> Path:
    """A site's folder in the current one."""
    (tmp_path / "connector.yaml").write_text("site: clinique\nenvironment: test\ndata: var\n", encoding="utf-8")
    return tmp_path


@pytest.fixture
def edition(site: Path) -> Path:
    """A new edition of JDV_J08, with one more code."""
    codes = {"N": "Normal", "R": "Restreint", "V": "Très restreint", "S": "Sensible"}
    hidden = ("MASQUE_PS", "INVISIBLE_PATIENT", "INVISIBLE_REPRESENTANTS_LEGAUX")
    data = {
        "resourceType": "ValueSet", "name": "JDV_J08", "url": "https://example.org/jdv", "date": "2026-10-01",
        "identifier": [{"value": f"urn:oid:{J08}"}],
        "compose": {"include": [
            {"system": "urn:oid:2.16.840.1.113883.5.25", "concept": [{"code": code, "display": label} for code, label in codes.items()]},
            {"system": "urn:oid:1.2.250.1.213.1.1.4.13", "concept": [{"code": code} for code in hidden]},
        ]},
    }  # fmt: skip
    path = site / "j08.json"
    path.write_text(json.dumps(data), encoding="utf-8")
    return path


def test_a_new_code_is_told_then_taken_then_in_force(command: Command, edition: Path, site: Path) -> None:
    raw = demo_document(WHEN, "1.2.250.1.213.1.4.10.9.99.5").replace(
        b'confidentialityCode code="N"', b'confidentialityCode code="S"'
    )
    (site / "letter.xml").write_bytes(raw)
    before = command("--json", "validate", "letter.xml")
    assert "MAP_UNKNOWN_CODE" in before.out

    told = command("--json", "terminology", "import", edition)
    assert told.code == 0, told
    by_table = {each["table"]: each for each in told.data["tables"]}
    assert by_table["confidentiality"]["counts"] == {"added": 1}
    assert by_table["confidentiality"]["kept"] == 3, "L, M and U are our own rows"
    assert by_table["visibility"]["counts"] == {}
    assert told.data["written"] == []
    assert not (site / "terminology").exists()
    assert "--yes" in command("terminology", "import", edition).out

    taken = command("--json", "terminology", "import", edition, "--yes")
    assert sorted(Path(path).name for path in taken.data["written"]) == ["confidentiality.csv", "visibility.csv"]
    assert [path.name for path in (site / "terminology").iterdir() if path.name.startswith(".")] == []

    shown = command("--json", "terminology", "show", "confidentiality").data
    assert (shown["version"], shown["effective"]) == ("JDV_J08 2026-10-01", "2026-10-01")
    assert J08 in shown["identifiers"]
    assert shown["product_version"].startswith("JDV_J08 2024"), "what the product brings, under the site's own"
    assert any(use["place"].startswith("mappings/cda/header.yaml:") for use in shown["used_by"])
    assert command("--json", "terminology", "show", "confidentiality", "S").data[0]["label"] == "Sensible"
    assert command("--json", "terminology", "search", "sensible").data[0]["terminology"] == "confidentiality"
    assert command("check", ".").code == 0

    converted = command("convert", "letter.xml", "--to", "fhir")
    assert converted.code == 0, converted.err
    assert '"code":"S"' in converted.out.replace(" ", "")
    assert "MAP_UNKNOWN_CODE" not in command("--json", "validate", "letter.xml").out
    again = command("--json", "terminology", "import", edition, "--yes")
    assert (again.data["written"], [each["counts"] for each in again.data["tables"]]) == ([], [{}, {}])


def test_a_code_that_goes_and_is_still_used_is_told(command: Command, site: Path) -> None:
    rows = SiteTables(load_settings(site / "connector.yaml", environ={})).tables.table("meta-dmp").rows
    codes = [row.exchange for row in rows if row.exchange != "DESTDMP"]
    (site / "meta.csv").write_text("code\n" + "\n".join(codes) + "\n", encoding="utf-8")
    told = command("--json", "terminology", "import", "meta.csv", "--table", "meta-dmp").data["tables"][0]
    assert told["counts"] == {"removed": 1}
    assert "hl7/blocks/directives" in [use["by"] for use in told["used"]["DESTDMP"]]
    assert (
        "DESTDMP goes and is still used by" in command("terminology", "import", "meta.csv", "--table", "meta-dmp").out
    )


REFUSED = [
    (["j08.json", "--table", "sex"], "is not the value set of 'sex'"),
    (["absent.json"], "absent.json cannot be read"),
    (["connector.yaml"], "no column of codes"),
    (["old.csv", "--table", "confidentiality"], "is older than 'confidentiality'"),
    (["other.csv"], "no table is this value set"),
]


@pytest.mark.parametrize(("arguments", "said"), REFUSED)
def test_what_may_not_be_taken_is_refused_with_its_reason(
    command: Command, edition: Path, site: Path, arguments: list[str], said: str
) -> None:
    (site / "old.csv").write_text(f"# identifier: {J08}\n# effective: 2020-01-01\ncode\nN\n", encoding="utf-8")
    (site / "other.csv").write_text("# identifier: 9.9\ncode\nN\n", encoding="utf-8")
    result = command("terminology", "import", "--yes", *arguments)
    assert result.code == 1
    assert said in result.err
    assert not (site / "terminology").exists()


def test_without_a_site_there_is_no_folder_to_write_to(command: Command, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("code\na\n", encoding="utf-8")
    result = command("terminology", "import", "t.csv", "--table", "mine", "--yes")
    assert (result.code, "connector init" in result.err) == (1, True)
    assert command("terminology", "import", "t.csv", "--table", "mine").code == 0, "told all the same"


def test_wrong_tables_and_the_products_own_are_never_written(site: Path, root: Path) -> None:
    tables = SiteTables(load_settings(site / "connector.yaml", environ={}))
    folder = site / "terminology"
    with pytest.raises(TerminologyError, match="exchange column is empty"):
        tables.put(folder, {"titles": tables.text("titles"), "sex": "exchange,hl7\n,M\n"})
    clash = tables.text("sex").replace("other,O|A", "other,O|A|M")
    with pytest.raises(TerminologyError, match="already read by"):
        tables.put(folder, {"sex": clash})
    with pytest.raises(ValueError, match="never changed"):
        tables.put(root / "terminology", {"sex": tables.text("sex")})
    assert not folder.exists()


def recorded(site: Path) -> None:
    """A journal with a message whose PV1-2 was not understood."""

    async def run() -> None:
        settings = load_settings(site / "connector.yaml", environ={})
        settings.data.mkdir()
        journal = open_journal(settings, SystemClock())
        await journal.start()
        codes = (
            untranslated("encounter-class", "read", "hl7", "Q"),
            untranslated("sex", "read", "hl7", "Madame Untel"),
        )
        await journal.record(msgspec.structs.replace(entry_of(1), untranslated=codes))
        await journal.stop()

    asyncio.run(run())


def test_a_code_without_a_translation_is_settled(command: Command, site: Path) -> None:
    raw = demo_message(WHEN, "T1", "1.2.250.1.213.1.4.10.9.99.5").replace(b"PV1|1|I|", b"PV1|1|Q|")
    (site / "letter.hl7").write_bytes(raw)
    assert "MAP_UNKNOWN_CODE" in command("--json", "validate", "letter.hl7").out
    recorded(site)
    first, second = command("--json", "terminology", "tasks").data
    assert (first["terminology"], first["way"], first["side"], first["code"], first["seen"]) == (
        "encounter-class",
        "read",
        "hl7",
        "Q",
        1,
    )
    assert second["code"] == "", "what is no code is counted, and not kept"

    number = first["id"]
    for arguments, code in (([], 2), (["--to", "outpatientt"], 1), (["--to", "outpatient", "--ignore"], 2)):
        assert command("terminology", "settle", number, *arguments).code == code
    assert "did you mean 'outpatient'" in command("terminology", "settle", number, "--to", "outpatientt").err
    assert command("terminology", "settle", 99, "--to", "outpatient").code == 1
    assert "+outpatient,O|Q" in command("terminology", "settle", number, "--to", "outpatient", "--dry-run").out
    assert not (site / "terminology").exists()

    settled = command("--json", "terminology", "settle", number, "--to", "outpatient")
    assert [Path(path).name for path in settled.data["written"]] == ["encounter-class.csv"]
    assert [line for line in settled.data["difference"] if line.startswith("+outpatient,O|Q")]
    assert [each["id"] for each in command("--json", "terminology", "tasks").data] == [second["id"]]
    assert "MAP_UNKNOWN_CODE" not in command("--json", "validate", "letter.hl7").out

    assert command("--json", "terminology", "settle", second["id"], "--ignore").data == {"ignored": 1}
    assert command("--json", "terminology", "tasks").data == []
    assert len(command("--json", "terminology", "tasks", "--all").data) == 2


def test_types_are_proposed_without_a_journal_too(command: Command, site: Path) -> None:
    result = command("--json", "terminology", "types", "ordd", "--limit", "1")
    assert [(each["code"], each["matched"]) for each in result.data] == [("57833-6", "Ordonnance de médicaments")]
    assert "Ordonnance de médicaments" in command("terminology", "types", "ordd").out
    assert command("terminology", "types", "zzzz").code == 1


def test_what_is_looked_for_in_a_table_that_does_not_exist(command: Command, site: Path) -> None:
    assert "did you mean 'sex'" in command("terminology", "search", "--table", "sexe", "M").err
    assert "did you mean 'female'" in command("terminology", "show", "sex", "femal").err
