"""Bytes of HPRIM Médecin: read as they come from thirty years of software, written one way."""

from __future__ import annotations

import pytest

from connector.hprim.codec import parse, serialise, split, writable
from connector.hprim.letter import Node

HEADER = [
    "4471",
    "PAT-TROIS",
    "DOMINIQUE",
    "12 rue des Tests",
    "",
    "63000 CLERMONT",
    "28/03/1979",
    "",
    "17",
    "15/01/2026",
    "A1 LABO",
    "B2 DR",
]


def letter(*text: str, header: list[str] | None = None, end: str = "****FIN****") -> str:
    return "\r\n".join([*(header or HEADER), *text, *([end] if end else []), ""])


def read(raw: bytes | str) -> Node:
    outcome = parse(raw.encode("cp1252") if isinstance(raw, str) else raw)
    assert outcome.value is not None, outcome.issues
    return outcome.value


@pytest.mark.parametrize(
    "raw",
    [
        letter("à bientôt, élève").encode("cp1252"),
        letter("à bientôt, élève").encode("utf-8"),
        letter("à bientôt, élève").encode("utf-8-sig"),
        letter("à bientôt, élève").encode("utf-16"),
        letter("à bientôt, élève").encode("mac_roman"),
        letter("&agrave; bient&ocirc;t, &#233;l&#xE8;ve").encode("ascii"),
        letter("à bientôt, élève").replace("\r\n", "\n").encode("cp1252"),
        letter("à bientôt, élève").replace("\r\n", "\r").encode("cp1252"),
    ],
    ids=["windows-1252", "utf-8", "utf-8 with its mark", "utf-16", "MacRoman", "HTML entities", "LF", "CR"],
)
def test_each_encoding_that_is_met_is_read(raw: bytes) -> None:
    assert read(raw).get("text") == "à bientôt, élève"


def test_bytes_that_windows_1252_does_not_have_are_read_around_and_told() -> None:
    outcome = parse(letter("ab").encode().replace(b"ab", b"a\x81\xe9b"))
    assert outcome.value is not None
    assert outcome.value.get("text") == "a\ufffdéb"
    assert [issue.code for issue in outcome.issues] == ["CHARSET_CONFLICT"]


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        (["12 rue des Tests", "Bât. B", "63000 CLERMONT"], ("12 rue des Tests", "Bât. B", "63000 CLERMONT")),
        (["", "", ""], ("", "", "")),
        (["12 rue des Tests", "63000 CLERMONT"], ("12 rue des Tests", "", "63000 CLERMONT")),
        (["63000 CLERMONT"], ("", "", "63000 CLERMONT")),
        (["12 rue des Tests"], ("12 rue des Tests", "", "")),
        ([], ("", "", "")),
        (
            ["Résidence A", "Bât. B", "12 rue des Tests", "2A004 AJACCIO"],
            ("Résidence A", "Bât. B 12 rue des Tests", "2A004 AJACCIO"),
        ),
    ],
)
@pytest.mark.parametrize("birth", ["28/03/1979", "1979-03-28"])
def test_an_address_of_fewer_or_more_lines_leaves_the_others_in_their_place(
    address: list[str], expected: tuple[str, ...], birth: str
) -> None:
    found = read(letter("texte", header=[*HEADER[:3], *address, birth, *HEADER[7:]]))
    assert tuple(found.text(f"L{number}") for number in (4, 5, 6)) == expected
    assert [found.get(f"L{number}") for number in (3, 7, 9, 12)] == ["DOMINIQUE", birth, "17", "B2 DR"]
    assert found.get("text") == "texte"


def test_an_envelope_line_is_kept_apart_and_columns_of_blanks_are_one_blank() -> None:
    envelope = f"{'LABO':<40}{'750001234':<40}{'DR PETIT':<40}0103{'1':>8}".ljust(256)
    found = read(letter("texte", header=[envelope, *(line.ljust(40) for line in HEADER[:10]), "A1        LABO", "B2"]))
    assert found.get("envelope") == envelope.rstrip()
    assert (found.get("L1"), found.get("L11")) == ("4471", "A1 LABO")


def test_an_end_mark_may_lack() -> None:
    assert read(letter("texte", end="")).get("text") == "texte"


def test_results_comments_and_what_is_neither() -> None:
    rows = [
        "****LAB****",
        "TEX|À jeun|",
        "RES|Calcium|CA|N|2,41|mmol/l|.|",
        "TEX|vérifié",
        "TEX||",
        "Signé : le biologiste",
        "",
    ]
    found = read(letter("Bonjour", *rows))
    (lab,) = found.all("LAB")
    (result,) = lab.children
    assert (lab.get("date"), lab.leaves["TEX"], result.leaves["TEX"]) == ("15/01/2026", ["À jeun"], ["vérifié"])
    assert [result.text(str(n)) for n in range(1, 8)] == ["Calcium", "CA", "N", "2,41", "mmol/l", "", ""]
    assert found.get("text") == "Bonjour\nSigné : le biologiste"


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"", "TRUNCATED"),
        (b"un deux trois\r\n", "TRUNCATED"),
        ("\r\n".join([*HEADER[:8], "****FIN****"]).encode(), "TRUNCATED"),
        (b"%PDF-1.4\n\x00\x01", "CONTROL_CHARACTER"),
        (letter("un").encode() + letter("deux").encode(), "TOO_MANY"),
    ],
)
def test_what_is_not_one_letter_is_refused(raw: bytes, code: str) -> None:
    outcome = parse(raw)
    assert outcome.value is None
    assert [issue.code for issue in outcome.issues] == [code]


@pytest.mark.parametrize("encoding", ["cp1252", "utf-8-sig", "utf-16"])
def test_a_file_of_several_letters_is_split_at_their_ends(encoding: str) -> None:
    raw = (letter("un") + letter("deux élèves") + "****FINFICHIER****\r\n\r\n").encode(encoding)
    assert [read(each).get("text") for each in split(raw)] == ["un", "deux élèves"]
    assert (
        b"".join(split(letter("un").encode() + letter("deux").encode()))
        == letter("un").encode() + letter("deux").encode()
    )


def test_a_file_without_an_end_mark_is_one_letter_and_an_empty_one_none() -> None:
    assert split(letter("un", end="").encode()) == [letter("un", end="").encode()]
    assert split(b"\r\n****FINFICHIER****\r\n") == []


def test_what_is_written_has_twelve_lines_cr_lf_and_windows_1252() -> None:
    node = read(letter("première ligne", "seconde ligne", "****LAB****", "RES|Calcium|CA|N|.|"))
    raw = serialise(node)
    assert raw.replace(b"\r\n", b"").count(b"\n") == raw.replace(b"\r\n", b"").count(b"\r") == 0
    lines = raw.decode("cp1252").split("\r\n")
    assert lines[:12] == HEADER
    assert lines[12:] == [
        "première ligne",
        "seconde ligne",
        "****LAB****",
        "RES|Calcium|CA|N|.|||||||||||",
        "****FIN****",
        "****FINFICHIER****",
        "",
    ]


@pytest.mark.parametrize(
    ("text", "line", "expected", "exact"),
    [
        ("Zoé Œuf – 12 €", True, "Zoé Œuf – 12 €", True),
        ("Łukasz Şimşek ž", True, "Lukasz Simsek ž", False),
        ("CO₂ ≥ 3 漢", True, "CO2 >= 3 ?", False),
        ("deux\r\nlignes\tici", True, "deux lignes ici", True),
        ("un\r\ndeux\rtrois\x00\x0cquatre  \n\n", False, "un\ndeux\ntrois\nquatre", True),
        ("a\n****FIN****\nRES|x|\nTEX|y", False, "a\n ****FIN****\n RES|x|\n TEX|y", True),
        ("****FIN****", True, " ****FIN****", True),
    ],
)
def test_a_text_is_made_writable(text: str, line: bool, expected: str, exact: bool) -> None:
    assert writable(text, line=line) == (expected, exact)


def test_no_text_ends_a_letter_or_begins_another() -> None:
    forged = "avant\n****FIN****\n****FINFICHIER****\n" + "\n".join(HEADER)
    node = Node("Letter", {"L2": [writable("****FIN****", line=True)[0]], "text": [writable(forged, line=False)[0]]})
    raw = serialise(node)
    assert split(raw) == [raw.removesuffix(b"****FINFICHIER****\r\n")]
    assert read(raw).get("text") == writable(forged, line=False)[0]
