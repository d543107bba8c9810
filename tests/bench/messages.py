"""The benchmarks' own messages: test identities only, with the accents, repetitions and escapes of real ones."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pybase64
from msgspec.structs import replace

from connector.demo import demo_document, demo_message, letter
from connector.exchange.content import detach
from connector.exchange.model import Exchange
from connector.exchange.moments import Moment

__all__ = ["CONTROL_ID", "PATIENT", "adt", "exchanges", "mdm", "oru", "patients", "write_all"]

#: What a load generator replaces in a message: MSH-10 and the patient's INS.
CONTROL_ID = "BENCH-CONTROL-ID"
PATIENT = "279035121518989"

_NOW = Moment("2026-03-04T10:20:30+01:00")
_DOCUMENT = "1.2.250.1.213.1.4.10.9.7.1"
_DOCUMENT_CASE = Path(__file__).parents[1] / "golden" / "exchanges" / "document" / "exchange.json"
_BODY = re.compile(rb'<text[^>]*representation="B64"[^>]*>([^<]*)<')


def _msh(kind: str, version: str = "2.5", tail: str = "") -> str:
    return rf"MSH|^~\&|BENCH|CH-ESSAI|CONNECTEUR|PFI-ESSAI|20260304102030+0100||{kind}|{CONTROL_ID}|T|{version}|||||FRA|UNICODE UTF-8{tail}"


def _patient() -> list[str]:
    return [
        (
            f"PID|1||{PATIENT}^^^ASIP-SANTE-INS-NIR&1.2.250.1.213.1.4.10&ISO^INS~IPP-{PATIENT}^^^CH-ESSAI&1.2.250.1.213.1.4.10.9.1&ISO^PI"
            "||PAT-TROIS^DOMINIQUE^DOMINIQUE ANAÏS^^^^L~D'ÉTÉ^DOMINIQUE^^^^^D||19790328|F|||12 rue des Tilleuls\\T\\Roses^Bât. B^CLERMONT-FERRAND^^63000^FRA^H"
            "~^^^^^^BDL^^63220||^PRN^PH^^^^^^^^^0473000000~^NET^Internet^essai@test.mssante.fr|||M||DOSSIER-7^^^CH-ESSAI&1.2.250.1.213.1.4.10.9.2&ISO^AN"
            "|||||||||||||N|VALI"
        ),
        (
            "PV1|1|I|MED^101^2^CH-ESSAI^^^^^Médecine interne|R|||801234567897^ESSAI^Claire^^^^^^ASIP-SANTE-PS&1.2.250.1.71.4.2.1&ISO^D^^^IDNPS"
            "|||||||||||SEJOUR-7^^^CH-ESSAI&1.2.250.1.213.1.4.10.9.3&ISO^VN||||||||||||||||||||||||||20260304090000+0100"
        ),
    ]


def adt() -> bytes:
    """ADT^A01, six segments, about 1.2 kB."""
    segments = [
        _msh("ADT^A01^ADT_A01"),
        "EVN||20260304102030+0100|||801234567897^ESSAI^Claire^^^^^^ASIP-SANTE-PS&1.2.250.1.71.4.2.1&ISO^D^^^IDNPS",
        *_patient(),
        "NK1|1|PAT-TROIS^PAUL^^^^^L|SPO^Conjoint^HL70063|12 rue des Tilleuls^^CLERMONT-FERRAND^^63000^FRA^H|^PRN^PH^^^^^^^^^0473000001",
        "ZBE|MVT-9^CH-ESSAI|20260304090000+0100||INSERT|N|A01|^^^^^^UF^^^101||HMS",
    ]
    return _joined(segments)


def oru(results: int = 60) -> bytes:
    """ORU^R01 with one order and so many numeric results."""
    observations = [
        f"OBX|{n}|NM|{1000 + n}-{n % 10}^Dosage numéro {n}^LN||{n}.{n % 7}|mg/L^milligramme par litre^UCUM|1-{n + 5}|{'H' if n % 9 == 0 else 'N'}|||F|||20260304093000+0100"
        for n in range(1, results + 1)
    ]
    order = f"OBR|1|PRESC-1^CH-ESSAI|LABO-1^LABO|BIO^Bilan biologique^L|||20260304091500+0100{'|' * 18}F"
    return _joined([_msh("ORU^R01^ORU_R01"), *_patient(), "ORC|RE|PRESC-1^CH-ESSAI|LABO-1^LABO", order, *observations])


def mdm(size: int) -> bytes:
    """MDM^T02 of the CI-SIS volet with a CDA N1 and a PDF inside; the whole message has about `size` bytes."""
    message = demo_message(_NOW, CONTROL_ID, _DOCUMENT)
    document = demo_document(_NOW, _DOCUMENT)
    # base64 of the CDA in the message, base64 of the PDF in the CDA: the padding weighs 16/9 of itself.
    padding = max(0, (size - len(message)) * 9 // 16)
    body = pybase64.b64encode(letter() + (b"%% bench\n" * (padding // 9 + 1))[:padding])
    start, end = _BODY.search(document).span(1)
    return message.replace(pybase64.b64encode(document), pybase64.b64encode(document[:start] + body + document[end:]))


def exchanges() -> dict[str, bytes]:
    """The document of the golden cases without its bytes: with one author alone, and as it is, with recipients, boxes and typist."""
    full = detach(msgspec.json.decode(_DOCUMENT_CASE.read_bytes(), type=Exchange))[0]
    plain = replace(full, recipients=(), sharing=None, enterer=None)
    return {"document": msgspec.json.encode(plain), "document-full": msgspec.json.encode(full)}


def _joined(segments: list[str]) -> bytes:
    return ("\r".join(segments) + "\r").encode()


def patients(count: int) -> list[str]:
    """INS of test patients: women of June 1985, with their keys."""
    numbers = [f"28506{55 + n // 900:02d}{n % 900 + 10:03d}{n % 90 + 10:03d}" for n in range(count)]
    return [f"{number}{97 - int(number) % 97:02d}" for number in numbers]


def write_all(folder: Path) -> dict[str, Path]:
    """The messages as files, for the processes that measure."""
    folder.mkdir(parents=True, exist_ok=True)
    made = {"adt": adt(), "oru": oru(), "mdm300k": mdm(300_000), "mdm10m": mdm(10_000_000)}
    files = {folder / f"{name}.hl7": raw for name, raw in made.items()} | {
        folder / f"{name}.json": raw for name, raw in exchanges().items()
    }
    for path, raw in files.items():
        path.write_bytes(raw)
    return {path.stem: path for path in files}
