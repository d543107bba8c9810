"""Values of HPRIM Médecin: dates, an address on three lines, a correspondent, text, and the parts of a result."""

from __future__ import annotations

import hashlib
import re

from connector.exchange.documents import Content
from connector.exchange.identifiers import organization_number, party_number
from connector.exchange.moments import Moment, date_of
from connector.exchange.people import Address, Concept, HumanName, Identifier, Party
from connector.exchange.results import Quantity, Range
from connector.hprim.letter import Node
from connector.issues import IssueCode, Severity
from connector.mapping.language import Datatype, Run

__all__ = ["DATATYPES", "party_name"]

_ISO = re.compile(r"(\d{4})-?(\d{2})-?(\d{2})\Z")
_FRENCH = re.compile(r"(\d{1,2})[/.-](\d{1,2})[/.-](\d{4})\Z")
_TOWN = re.compile(r"(\d{5}|2[ABab]\d{3})(?:\s+(.*))?\Z")
_NUMBER = re.compile(r"([<>]=?)?\s*([+-]?\d+(?:[.,]\d+)?)\Z")
_BOUNDS = re.compile(r"\s*([+-]?\d+(?:[.,]\d+)?)\s*-\s*([+-]?\d+(?:[.,]\d+)?)\s*\Z")
#: Width of the code in front of a correspondent's name, and of the patient's.
_CODE = 10
#: Numbers that stand in front of a correspondent's name: national ones and a code of the sender's own; never a patient's.
_REGISTERS = ("RPPS", "ADELI", "FINESS", "SIREN", "SIRET", "")


def read_date(text: str, run: Run) -> Moment:
    """dd/mm/yyyy, or yyyy-mm-dd as some software writes it."""
    found = _ISO.match(text)
    if found is None:
        turned = _FRENCH.match(text)
        if turned is None:
            raise ValueError("a date is dd/mm/yyyy")
        year, month, day = turned[3], turned[2].zfill(2), turned[1].zfill(2)
    else:
        year, month, day = found.groups()
    if not ("01" <= month <= "12" and "01" <= day <= "31"):
        raise ValueError("no such day")
    return Moment(f"{year}-{month}-{day}")


def write_date(value: Moment, run: Run) -> str | None:
    """The day; a moment that is less precise is not written."""
    day = date_of(value)
    if len(day) < 10:
        run.report(Severity.WARNING, IssueCode.MAP_NOT_WRITABLE, expected="dd/mm/yyyy")
        return None
    return f"{day[8:10]}/{day[5:7]}/{day[:4]}"


def write_code(value: str, run: Run) -> str | None:
    """Ten characters at most; a longer code is not cut, it would be another one."""
    if len(value) > _CODE:
        run.report(Severity.WARNING, IssueCode.MAP_NOT_WRITABLE, expected=f"{_CODE} characters")
        return None
    return value


def read_matricule(text: str, run: Run) -> str | None:
    """Thirteen characters and the key, however they are spaced; without the key it is the number alone."""
    return text.replace(" ", "") or None


def read_address(node: Node, run: Run) -> Address | None:
    """L4, L5: street; L6: postal code and town."""
    lines = tuple(line for line in (node.get("L4"), node.get("L5")) if line)
    town = node.get("L6")
    found = _TOWN.match(town)
    code, city = (town[: found.end(1)], found[2] or "") if found else ("", town)
    if not (lines or town):
        return None
    return Address(lines=lines, postal_code=code or None, city=city or None)


def write_address(value: Address, node: Node, run: Run) -> None:
    """As read; what is more than one line stands on the second."""
    node.put("L4", value.lines[0] if value.lines else "")
    node.put("L5", " ".join((*value.lines[1:], *([value.district] if value.district else []))))
    node.put("L6", " ".join(part for part in (value.postal_code, value.city) if part))


def read_party(text: str, run: Run) -> Party | None:
    """A code, if the first word is one, and a name. Eleven digits are an RPPS."""
    word, _, rest = text.partition(" ")
    code = word if any(map(str.isdigit, word)) else ""
    name = (rest if code else text).strip()
    kind = "RPPS" if len(code) == 11 and code.isdigit() else None
    identifiers = (Identifier(value=code, kind=kind),) if code else ()
    if not (identifiers or name):
        return None
    return Party(identifiers=identifiers, name=HumanName(text=name) if name else None)


def write_party(value: Party, run: Run) -> str:
    """The national number of the person, else of the organisation, in ten columns, and the name."""
    number = party_number(value) if value.name is not None else organization_number(value.organization)
    code = number.number if number is not None and number.register in _REGISTERS else ""
    return f"{code:<{_CODE}} {party_name(value)}".strip()


def party_name(party: Party) -> str:
    """How a letter calls somebody: the person, else the organisation, else the application."""
    name, device = party.name, party.device
    if name is not None:
        parts = (name.prefix, name.family, " ".join(name.given))
        return " ".join(part for part in parts if part) or name.text or ""
    if party.organization is not None:
        return party.organization.name or ""
    return (device.model or device.software or "") if device is not None else ""


def read_text(text: str, run: Run) -> Content:
    """The free text as a plain text document."""
    data = text.encode("utf-8")
    sha1 = hashlib.sha1(data, usedforsecurity=False).hexdigest()
    return Content(
        media_type="text/plain", data=data, size=len(data), sha1=sha1, sha256=hashlib.sha256(data).hexdigest()
    )


def read_examination(node: Node, run: Run) -> Concept | None:
    """RES-2 and the label RES-1; a result without a code is known by its label."""
    label, code = node.get("1"), node.get("2")
    return Concept(code=code or label, display=label or None) if code or label else None


def write_examination(value: Concept, node: Node, run: Run) -> None:
    """As read."""
    label = value.display or value.text or value.code
    node.put("1", label)
    node.put("2", value.code if value.code != label else "")


def read_quantity(node: Node, run: Run) -> Quantity | None:
    """RES-4 and its unit RES-5 when it is a number; a comma is a point."""
    found = _NUMBER.match(node.get("4")) if node.get("3") == "N" else None
    if found is None:
        return None
    unit = node.get("5")
    return Quantity(comparator=found[1], value=found[2].replace(",", "."), unit=Concept(code=unit) if unit else None)


def write_quantity(value: Quantity, node: Node, run: Run) -> None:
    """As read."""
    node.put("4", f"{value.comparator or ''}{value.value or ''}")
    if value.unit is not None:
        node.put("5", value.unit.code)


def read_words(node: Node, run: Run) -> str | None:
    """RES-4 when it is no number, whatever its type says."""
    return (node.get("4") or None) if read_quantity(node, run) is None else None


def read_range(node: Node, run: Run) -> Range | None:
    """RES-6 and RES-7, or both bounds in RES-6 (`2.20-2.60`)."""
    low, high = node.get("6"), node.get("7")
    both = _BOUNDS.match(low) if not high else None
    if both is not None:
        low, high = both.groups()
    return Range(low=low.replace(",", ".") or None, high=high.replace(",", ".") or None) if low or high else None


def write_range(value: Range, node: Node, run: Run) -> None:
    """As read; a range that is only text stands in RES-6."""
    node.put("6", value.low or (value.text or "" if not value.high else ""))
    node.put("7", value.high or "")


def read_kind(text: str, run: Run) -> str:
    """N is a number; every other letter is text."""
    return "NM" if text == "N" else "ST"


def write_kind(value: str, run: Run) -> str:
    """As read."""
    return "N" if value in ("NM", "SN") else "A"


def read_interpretation(text: str, run: Run) -> Concept:
    """N, L, H, LL, HH."""
    return Concept(code=text)


def _same(text: str, run: Run) -> str:
    return text


DATATYPES = {
    each.name: each
    for each in (
        Datatype("date", read_date, write_date, False, Moment),
        Datatype("code", _same, write_code, False, str),
        Datatype("matricule", read_matricule, lambda value, run: value, False, str),
        Datatype("address", read_address, write_address, True, Address),
        Datatype("party", read_party, write_party, False, Party),
        Datatype("text", read_text, None, False, Content),
        Datatype("examination", read_examination, write_examination, True, Concept),
        Datatype("quantity", read_quantity, write_quantity, True, Quantity),
        Datatype("kind", read_kind, write_kind, False, str),
        Datatype("interpretation", read_interpretation, lambda value, run: value.code, False, Concept),
        Datatype("words", read_words, lambda value, node, run: node.put("4", value), True, str),
        Datatype("range", read_range, write_range, True, Range),
    )
}
