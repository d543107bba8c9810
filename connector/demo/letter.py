"""The letter of the demonstration: one page of PDF, written by hand so that nothing else is needed to make it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

__all__ = ["letter"]

_TITLE = "Lettre de liaison à la sortie"
_LINES = (
    "Centre hospitalier de Démonstration",
    "Service de médecine - document fictif, patiente de test",
    "",
    "Concerne : Mme PAT-TROIS DOMINIQUE, née le 28/03/1979 à MEILHAUD (63220)",
    "Matricule INS de test : 279035121518989",
    "",
    "Chère consœur, cher confrère,",
    "",
    "Votre patiente a été hospitalisée du 1er au 5 janvier pour un bilan.",
    "L'évolution a été favorable ; aucun traitement n'est à poursuivre à l'issue du séjour.",
    "Un contrôle biologique est proposé dans trois mois, à votre appréciation.",
    "",
    "Bien confraternellement,",
    "Dr Claire ESSAI",
)
_INFORMATION = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
    '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" '
    'xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title><rdf:Alt><rdf:li xml:lang="fr-FR">{title}</rdf:li></rdf:Alt></dc:title>'
    "</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end='w'?>"
)


def letter(title: str = _TITLE, lines: Sequence[str] = _LINES) -> bytes:
    """The PDF (1.4, one A4 page, standard fonts in WinAnsi encoding), the same bytes each time for the same text.

    It is not PDF/A-1, which wants its fonts inside: what a hospital sends is its own matter, and nothing here depends on it.
    """
    content = _page(title, lines)
    information = _INFORMATION.format(title=title).encode("utf-8")
    objects = (
        b"<</Type/Catalog/Pages 2 0 R/Lang(fr-FR)/Metadata 7 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 6 0 R/Resources<</Font<</F1 4 0 R/F2 5 0 R>>>>>>",
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding>>",
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica-Bold/Encoding/WinAnsiEncoding>>",
        b"<</Length %d>>stream\n%b\nendstream" % (len(content), content),
        b"<</Type/Metadata/Subtype/XML/Length %d>>stream\n%b\nendstream" % (len(information), information),
    )
    return _file(objects)


def _page(title: str, lines: Sequence[str]) -> bytes:
    parts = [b"BT /F2 16 Tf 56 770 Td (%b) Tj /F1 11 Tf 0 -34 Td 16 TL" % _string(title)]
    parts += [b"(%b) Tj T*" % _string(line) for line in lines]
    return b"\n".join([*parts, b"ET"])


def _string(text: str) -> bytes:
    return text.encode("cp1252").replace(b"\\", b"\\\\").replace(b"(", b"\\(").replace(b")", b"\\)")


def _file(objects: tuple[bytes, ...]) -> bytes:
    """Objects with their cross-reference table (ISO 32000-1 §7.5)."""
    pdf = bytearray(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n")
    offsets = []
    for number, content in enumerate(objects, 1):
        offsets.append(len(pdf))
        pdf += b"%d 0 obj\n%b\nendobj\n" % (number, content)
    start = len(pdf)
    identity = hashlib.sha256(pdf).hexdigest()[:32].encode()
    pdf += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    pdf += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    pdf += b"trailer\n<</Size %d/Root 1 0 R/ID[<%b><%b>]>>\nstartxref\n%d\n%%%%EOF\n" % (
        len(objects) + 1, identity, identity, start,
    )  # fmt: skip
    return bytes(pdf)
