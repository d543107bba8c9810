"""The demonstration's message: profile 2.1^CISIS_CDA_HL7_V2, HL7 2.6, UTF-8, with the ten directives of the volet."""

from __future__ import annotations

import base64
from functools import cache
from importlib import resources

from connector.exchange.moments import Moment, to_hl7

__all__ = ["DOCUMENT", "WRITTEN_AT", "WRITTEN_ID", "demo_document", "demo_message"]

#: The CDA as our own writer wrote it (a test compares), and what of it changes from one run to the next.
DOCUMENT = "letter.cda.xml"
WRITTEN_ID = "1.2.250.1.213.1.4.10.9.99.1"
WRITTEN_AT = "2026-01-05T10:15:00+01:00"

_MAILBOX = "claire.essai@test.mssante.fr"
_PATIENT_MAILBOX = "279035121518989@patient.mssante.fr"
_PROFESSIONAL = "801234567897^ESSAI^Claire^^^^^^ASIP-SANTE-PS&1.2.250.1.71.4.2.1&ISO^D^^^IDNPS"
_DIRECTIVES = (
    ("MASQUE_PS", "Masqué aux professionnels de Santé", "N"),
    ("INVISIBLE_PATIENT", "Document Non Visible par le patient", "N"),
    ("INVISIBLE_REP_LEGAUX", "Non visible par les représentants Légaux du patient", "N"),
    ("CONNEXION_SECRETE", "Connexion Secrete", "N"),
    ("MODIF_CONF_CODE", "Modification Confidentiality Code", "N"),
    ("DESTDMP", "Destinataire DMP", "N"),
    ("DESTMSSANTEPS", "Destinataire (Professionnel de Santé, organisation ou BAL applicative)", "Y"),
    ("DESTMSSANTEPAT", "Destinataire Patient", "Y"),
    ("ACK_RECEPTION", "Accusé de réception", "N"),
    ("ACK_LECTURE_MSS", "Accusé de lecture", "N"),
)


@cache
def _written() -> bytes:
    return resources.files("connector.demo").joinpath(DOCUMENT).read_bytes()


def demo_document(now: Moment, document_id: str) -> bytes:
    """The CDA N1 of the demonstration, created `now` (with zone and seconds) under `document_id` (an OID or UUID)."""
    written = _written().replace(WRITTEN_ID.encode(), document_id.encode())
    return written.replace(to_hl7(Moment(WRITTEN_AT)).encode(), to_hl7(now).encode())


def demo_message(now: Moment, control_id: str, document_id: str) -> bytes:
    """The MDM^T02 around it, CR-terminated, without MLLP framing."""
    at = to_hl7(now)
    local = at[:14]
    cda = base64.b64encode(demo_document(now, document_id)).decode("ascii")
    document_type = "11490-0^Lettre de liaison à la sortie d'un établissement de soins^LN"
    segments = [
        rf"MSH|^~\&|DOSSIER-DEMO|CH-DEMO|CONNECTEUR|PFI-DEMO|{at}||MDM^T02^MDM_T02|{control_id}|T|2.6|||||FRA|UNICODE UTF-8|||2.1^CISIS_CDA_HL7_V2",
        f"EVN||{local}|||801234567897^ESSAI^Claire^^^^^^ASIP-SANTE-PS&1.2.250.1.71.4.2.1&ISO^D^^^IDNPS|{local}",
        (
            "PID|||279035121518989^^^ASIP-SANTE-INS-NIR&1.2.250.1.213.1.4.10&ISO^INS~DEMO-0042^^^CH-DEMO&1.2.250.1.213.1.4.10.9.1&ISO^PI"
            "||PAT-TROIS^DOMINIQUE^DOMINIQUE^^^^L||19790328|F|||12 rue des Lilas^^CLERMONT-FERRAND^^63000^FRA^H~^^^^^^BDL^^63220"
            "|||||||DOSSIER-7^^^CH-DEMO&1.2.250.1.213.1.4.10.9.2&ISO^AN|||||||||||||N|VALI"
        ),
        "PV1|1|I|MED||||||||||||||||SEJOUR-7^^^CH-DEMO&1.2.250.1.213.1.4.10.9.3&ISO^VN|||||||||||||||||||||||||20260101|20260105",
        "ORC|NW",
        f"OBR|1|||{document_type}",
        f"TXA|1|11490-0|TEXT|{local}||||||||{document_id}|||||AU",
        f"OBX|1|ED|{document_type}||^text^XML^Base64^{cda}||||||F",
        f"PRT||UC||SB^Send by^participation|{_PROFESSIONAL}|||CH DEMO^^^^^ASIP-SANTE-ST&1.2.250.1.71.4.2.2&ISO^FINEG^^^630000404",
        f"PRT||UC||RCT^Result Copies To^participation|{_PROFESSIONAL}||||||||||^NET^X.400^{_MAILBOX}",
        (
            "PRT||UC||RCT^Result Copies To^participation|279035121518989^PAT-TROIS^DOMINIQUE^^^^^^ASIP-SANTE-INS-NIR&1.2.250.1.213.1.4.10&ISO"
            f"^L^^^INS||||||||||^NET^X.400^{_PATIENT_MAILBOX}"
        ),
    ]
    segments += [
        f"OBX|{number}|CWE|{code}^{label}^MetaDMPMSS||{value}^^expandedYes-NoIndicator||||||F"
        for number, (code, label, value) in enumerate(_DIRECTIVES, 2)
    ]
    return ("\r".join(segments) + "\r").encode("utf-8")
