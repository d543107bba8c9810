"""Files for the business software: whole or not at all, never twice, never outside."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.endpoints import Endpoint, kind
from connector.endpoints.folder_out import FolderOut, FolderOutSettings
from connector.exchange.documents import Content, Directives, Document
from connector.exchange.model import Exchange
from connector.exchange.people import Concept, HumanName, Identifier, Patient
from connector.exchange.results import Observation, Quantity, Report
from connector.issues import Outcome
from connector.pipeline.filing import COLUMNS, drops, safe_name
from connector.ports import Claimed, DeliveryFailed, Receipt, Retry
from tests.golden.journeys_kit import context, translator

CDA = b"<?xml version='1.0'?><ClinicalDocument xmlns='urn:hl7-org:v3'/>"
PDF = b"%PDF-1.4 synthetic"
DOCUMENT = Document(
    id="1.2.250.1.213.1.4.10.9.77",
    set_id="1.2.250.1.213.1.4.10.9.70",
    version="1",
    type=Concept(code="11502-2", system="2.16.840.1.113883.6.1", display="CR d'examens biologiques"),
    title="=Compte rendu",
    content=Content(media_type="text/xml", data=CDA),
    body=Content(media_type="application/pdf", data=PDF),
)
PATIENT = Patient(
    identifiers=(Identifier(value="279035121518989", system="1.2.250.1.213.1.4.10", kind="INS"),),
    names=(HumanName(use="birth", family="PAT-TROIS", given=("DOMINIQUE",), birth_given="DOMINIQUE MARIE-LOUISE"),),
    birth_date="1979-03-28",
    sex="female",
)
EXCHANGE = Exchange(
    intent="submit", mode="document", patient=PATIENT, documents=(DOCUMENT,), directives=Directives(to_dmp=True)
)


class Clock:
    """Not asked."""

    def now(self) -> str:
        return "2026-01-05T10:00:00.000+01:00"

    def monotonic(self) -> float:
        return 0.0


def claimed(exchange: Exchange | None, raw: bytes = b"MSH|...", control_id: str = "C1", delivery: int = 7) -> Claimed:
    return Claimed(
        delivery_id=delivery, message_id=1, destination="ris", key="k", attempts=0, resent=False,
        control_id=control_id, type="MDM^T02", raw=raw, exchange=exchange,
    )  # fmt: skip


def deliver(root: Path, one: Claimed, **options: object) -> Receipt:
    sender = FolderOut(FolderOutSettings(path=root, **options), Endpoint(name="ris", clock=Clock()))  # type: ignore[arg-type]
    before: list[bool] = []

    async def run() -> Receipt:
        async def before_send() -> None:
            before.append(True)
            assert not list(root.glob("*")) or one.resent or len(before) == 1

        receipt = await sender.deliver(one, before_send)
        await sender.close()
        return receipt

    receipt = asyncio.run(run())
    assert before == [True]
    return receipt


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def with_document(**changes: object) -> Exchange:
    return msgspec.structs.replace(EXCHANGE, documents=(msgspec.structs.replace(DOCUMENT, **changes),))


def test_a_document_arrives_as_a_folder_with_exact_bytes_body_and_index(tmp_path: Path) -> None:
    receipt = deliver(tmp_path / "made" / "here", claimed(EXCHANGE))
    folder = tmp_path / "made" / "here" / "1.2.250.1.213.1.4.10.9.77_v1"
    assert receipt.reference == str(folder)
    assert (folder / "document.xml").read_bytes() == CDA
    assert (folder / "body.pdf").read_bytes() == PDF
    index = json.loads((folder / "index.json").read_bytes())
    assert index["index"] == "monsisra-folder/1"
    assert index["operation"] == "submit"
    assert index["message"] == {"control_id": "C1", "type": "MDM^T02"}
    assert index["document"]["type"]["code"] == "11502-2"
    assert index["patient"]["identifiers"][0]["value"] == "279035121518989"
    assert [(file["role"], file["name"], file["size"]) for file in index["files"]] == [
        ("document", "document.xml", len(CDA)),
        ("body", "body.pdf", len(PDF)),
    ]
    assert names(folder) == ["body.pdf", "document.xml", "index.json"]
    assert (folder / "document.xml").stat().st_mode & 0o777 == 0o640
    assert folder.stat().st_mode & 0o777 == 0o750
    assert names(folder.parent) == [folder.name]


def test_the_same_document_again_writes_nothing_and_says_so(tmp_path: Path) -> None:
    deliver(tmp_path, claimed(EXCHANGE))
    index = tmp_path / "1.2.250.1.213.1.4.10.9.77_v1" / "index.json"
    before = index.stat().st_mtime_ns
    again = deliver(tmp_path, claimed(EXCHANGE, raw=b"MSH|other envelope", control_id="C2", delivery=8))
    assert [issue.code for issue in again.issues] == ["ALREADY_DELIVERED"]
    assert index.stat().st_mtime_ns == before
    assert len(names(tmp_path)) == 1


def test_other_content_under_the_same_version_is_refused_and_nothing_is_overwritten(tmp_path: Path) -> None:
    deliver(tmp_path, claimed(EXCHANGE))
    other = with_document(content=Content(media_type="text/xml", data=b"<other/>"))
    with pytest.raises(DeliveryFailed) as caught:
        deliver(tmp_path, claimed(other))
    assert (caught.value.retry, caught.value.park, caught.value.issue.code) == (Retry.NEVER, True, "NAME_TAKEN")
    assert (tmp_path / "1.2.250.1.213.1.4.10.9.77_v1" / "document.xml").read_bytes() == CDA
    assert len(names(tmp_path)) == 1


def test_a_new_version_and_a_deletion_stand_beside_the_first(tmp_path: Path) -> None:
    deliver(tmp_path, claimed(EXCHANGE))
    deliver(tmp_path, claimed(with_document(version="2", status="replacement")))
    deliver(tmp_path, claimed(with_document(status="deletion")))
    assert names(tmp_path) == [
        "1.2.250.1.213.1.4.10.9.77_v1",
        "1.2.250.1.213.1.4.10.9.77_v1_delete",
        "1.2.250.1.213.1.4.10.9.77_v2",
    ]
    assert json.loads((tmp_path / "1.2.250.1.213.1.4.10.9.77_v2" / "index.json").read_bytes())["operation"] == "replace"


def test_what_a_crash_left_half_written_is_written_anew(tmp_path: Path) -> None:
    half = tmp_path / ".1.2.250.1.213.1.4.10.9.77_v1.7.part"
    half.mkdir()
    (half / "document.xml").write_bytes(b"<half")
    deliver(tmp_path, claimed(EXCHANGE))
    assert names(tmp_path) == ["1.2.250.1.213.1.4.10.9.77_v1"]


def test_a_symbolic_link_in_the_place_is_never_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    root = tmp_path / "root"
    root.mkdir()
    (root / "1.2.250.1.213.1.4.10.9.77_v1").symlink_to(outside)
    with pytest.raises(DeliveryFailed) as caught:
        deliver(root, claimed(EXCHANGE))
    assert caught.value.issue.code == "NAME_TAKEN"
    assert names(outside) == []


def test_a_disk_that_cannot_be_written_may_be_tried_again(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DeliveryFailed) as caught:
        deliver(tmp_path / "file" / "below", claimed(EXCHANGE))
    assert caught.value.retry is Retry.SAFE
    assert caught.value.issue.params == {"what": "ris, ENOTDIR"}


def test_two_documents_of_one_message_are_two_folders(tmp_path: Path) -> None:
    second = msgspec.structs.replace(DOCUMENT, id="1.2.3^ABC é")
    receipt = deliver(tmp_path, claimed(msgspec.structs.replace(EXCHANGE, documents=(DOCUMENT, second))))
    assert len(receipt.reference.splitlines()) == 2
    assert len(names(tmp_path)) == 2


def test_a_message_without_document_is_filed_itself(tmp_path: Path) -> None:
    receipt = deliver(tmp_path, claimed(None, raw=b"MSH|^~\\&|A", control_id="../../x"))
    folder = Path(receipt.reference)
    assert folder.parent == tmp_path
    assert (folder / "message.hl7").read_bytes() == b"MSH|^~\\&|A"
    assert json.loads((folder / "index.json").read_bytes())["files"][0]["role"] == "message"


def test_the_table_has_one_row_that_no_spreadsheet_runs(tmp_path: Path) -> None:
    receipt = deliver(tmp_path, claimed(EXCHANGE), csv=True, message=True)
    text = (Path(receipt.reference) / "index.csv").read_bytes()
    assert text.startswith(b"\xef\xbb\xbf")
    [header, row] = csv.reader(io.StringIO(text[3:].decode()), delimiter=";")
    assert tuple(header) == COLUMNS
    cells = dict(zip(header, row, strict=True))
    assert cells["title"] == "'=Compte rendu"
    assert cells["patient_birth_given"] == "DOMINIQUE MARIE-LOUISE"
    assert cells["body_file"] == "body.pdf"
    assert (Path(receipt.reference) / "message.hl7").read_bytes() == b"MSH|..."


@pytest.mark.parametrize(
    "identity",
    [
        "../../etc/passwd",
        "a/b",
        "a\\b",
        "..",
        ".",
        "",
        "CON",
        "nul.txt",
        "x" * 400,
        "1.2^\u202egpj.exe",
        "А.2.3",
        "a\x00b",
        "a\nb",
        "-rf",
        "1.2.",
        "é",
        "\ud800",
    ],
)
def test_an_unsafe_id_becomes_a_safe_name_of_its_own(identity: str) -> None:
    name = safe_name(identity, "v1")
    assert name.isascii()
    assert not set(name) & set('/\\:*?"<>|\x00\n ')
    assert len(name) < 130
    assert not name.startswith((".", "-"))
    assert ".." not in name
    assert name != safe_name(identity + "x", "v1")


@given(st.text(max_size=80), st.text(max_size=80))
@settings(max_examples=60, deadline=None)
def test_two_ids_never_share_a_name_in_any_letter_case(left: str, right: str) -> None:
    if left != right:
        assert safe_name(left).casefold() != safe_name(right).casefold()


def test_a_document_without_id_is_named_after_its_bytes() -> None:
    exchange = with_document(id=None)
    [drop] = drops(b"", exchange, control_id="C", type="MDM^T02")
    [again] = drops(b"other", exchange, control_id="D", type="MDM^T02")
    assert drop.name == again.name


def test_the_kind_is_found_by_its_entry_point() -> None:
    assert kind("folder_out").settings is FolderOutSettings


# --- HPRIM Médecin


def letters(root: Path, one: Claimed) -> Receipt:
    def write(delivery: Claimed, form: str) -> Outcome[bytes]:
        assert delivery.exchange is not None
        return translator().write(delivery.exchange, form, context())

    sender = FolderOut(FolderOutSettings(path=root, format="hprim"), Endpoint(name="dpi", clock=Clock(), write=write))

    async def before_send() -> None:
        assert not root.exists() or one.resent

    return asyncio.run(sender.deliver(one, before_send))


def test_a_letter_lies_beside_its_pdf_under_the_same_name(tmp_path: Path) -> None:
    receipt = letters(tmp_path / "out", claimed(EXCHANGE))
    (letter,) = (tmp_path / "out").glob("*.hpr")
    pdf = letter.with_suffix(".pdf")
    assert receipt.reference == str(letter)
    assert sorted((tmp_path / "out").iterdir()) == [letter, pdf]
    assert pdf.read_bytes() == PDF
    lines = letter.read_bytes().decode("cp1252").split("\r\n")
    assert lines[1:3] == ["PAT-TROIS", "DOMINIQUE"]
    assert lines[7] == "", "the identity is not qualified: its matricule does not leave"
    assert f"Voir le document joint : {pdf.name}" in lines
    assert not any(word in letter.name for word in ("PAT", "279035121518989"))


def test_the_same_letter_again_writes_nothing_and_other_content_is_for_a_person(tmp_path: Path) -> None:
    root = tmp_path / "out"
    letters(root, claimed(EXCHANGE))
    before = {path.name: path.read_bytes() for path in root.iterdir()}
    again = letters(root, msgspec.structs.replace(claimed(EXCHANGE), resent=True))
    assert [issue.code for issue in again.issues] == ["ALREADY_DELIVERED"]
    other = msgspec.structs.replace(EXCHANGE, documents=(msgspec.structs.replace(DOCUMENT, title="Autre"),))
    with pytest.raises(DeliveryFailed) as failed:
        letters(root, msgspec.structs.replace(claimed(other), resent=True))
    assert (failed.value.retry, failed.value.park, failed.value.issue.code) == (Retry.NEVER, True, "NAME_TAKEN")
    assert {path.name: path.read_bytes() for path in root.iterdir()} == before


def test_an_attempt_that_a_crash_cut_short_is_completed(tmp_path: Path) -> None:
    root = tmp_path / "out"
    letters(root, claimed(EXCHANGE))
    (letter,) = root.glob("*.hpr")
    letter.unlink()
    (root / f".{letter.name}.7.part").write_bytes(b"half")
    letters(root, msgspec.structs.replace(claimed(EXCHANGE), resent=True))
    assert sorted(path.name for path in root.iterdir()) == sorted([letter.name, letter.with_suffix(".pdf").name])


def test_each_document_has_its_letter_and_a_deletion_names_no_file(tmp_path: Path) -> None:
    text = Document(id="1.2.3.4", title="Note", content=Content(media_type="text/plain", data=b"Tout va bien."))
    letters(tmp_path / "two", claimed(msgspec.structs.replace(EXCHANGE, documents=(DOCUMENT, text))))
    assert len(list((tmp_path / "two").glob("*.hpr"))) == 2
    assert len(list((tmp_path / "two").glob("*.pdf"))) == 1
    letters(tmp_path / "gone", claimed(msgspec.structs.replace(EXCHANGE, intent="delete")))
    (only,) = (tmp_path / "gone").iterdir()
    assert "supprimé" in only.read_text("cp1252")


def test_results_alone_are_a_letter_and_nothing_at_all_is_refused(tmp_path: Path) -> None:
    report = Report(observations=(Observation(kind="NM", code=Concept(code="K"), quantity=Quantity(value="5.6")),))
    letters(tmp_path / "out", claimed(Exchange(patient=PATIENT, reports=(report,))))
    (only,) = (tmp_path / "out").iterdir()
    assert b"RES|K||N|5.6|" in only.read_bytes()
    with pytest.raises(DeliveryFailed) as failed:
        letters(tmp_path / "none", claimed(Exchange(patient=PATIENT)))
    assert failed.value.park


def test_letters_need_the_mappings(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="needs the mappings"):
        FolderOut(FolderOutSettings(path=tmp_path, format="hprim"), Endpoint(name="dpi", clock=Clock()))
