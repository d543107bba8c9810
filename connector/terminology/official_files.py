"""Official files of any kind → editions: FHIR JSON, IHE SVS XML, CSV, and packages of these (.tgz). Pure: the caller reads the bytes."""

from __future__ import annotations

import csv
import io
import json
import tarfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from connector.terminology.edition import Edition, Official, day, distinct
from connector.terminology.fhir_files import KINDS, Resources
from connector.terminology.svs import read_svs
from connector.terminology.tables import COLUMNS, SETTINGS, TerminologyError

__all__ = ["LARGEST", "read_editions"]

#: Bytes of one file or member, and of a package unpacked.
LARGEST = 128 << 20
_MEMBERS = 50_000
#: What the columns of an official CSV are called, in small letters.
_NAMES = {
    "code": ("code", "exchange", "concept"),
    "system": ("system", "exchange_system", "codesystem", "system_oid", "oid"),
    "display": ("display", "label", "libelle", "libellé", "displayname", "display_fr"),
    "start": ("start", "datevalid", "date_debut", "effective"),
    "end": ("end", "datefin", "date_fin"),
    "status": ("status", "statut"),
}
_RETIRED = frozenset({"retired", "deprecated", "inactive", "retiré", "inactif"})


def read_editions(
    files: Mapping[str, bytes], wanted: Callable[[Sequence[str]], bool] = lambda identifiers: True
) -> list[Edition]:
    """The editions in the files (name → bytes); `package.tgz!member` names one member of a package. Raises TerminologyError.

    Of FHIR resources only those whose identifiers are `wanted` are read: a package holds many that say nothing to us.
    """
    editions: list[Edition] = []
    resources: list[tuple[str, Any]] = []
    for name, raw in files.items():
        for place, content in _members(name, raw):
            if len(content) > LARGEST:
                raise TerminologyError(place, f"more than {LARGEST >> 20} MB")
            head = content[:64].lstrip(b"\xef\xbb\xbf \t\r\n")
            if head[:1] in (b"{", b"["):
                resources.append((place, _json(place, content)))
            elif head[:1] == b"<":
                editions += read_svs(place, content)
            else:
                editions.append(_csv(place, content))
    return editions + list(Resources(resources).editions(wanted))


def _members(name: str, raw: bytes) -> Iterator[tuple[str, bytes]]:
    """The file itself; of a package the terminology resources, or the one member that is named behind `!`."""
    file, _, wanted = name.partition("!")
    if raw[:2] != b"\x1f\x8b":
        yield name, raw
        return
    taken = members = 0
    try:
        with tarfile.open(fileobj=io.BytesIO(raw), mode="r|gz") as package:
            for member in package:
                members += 1
                taken += member.size
                if members > _MEMBERS or taken > 4 * LARGEST:
                    raise TerminologyError(file, "the package unpacks to more than a package of terminology holds")
                base = member.name.rpartition("/")[2]
                chosen = wanted in (member.name, base) if wanted else base.startswith(tuple(f"{k}-" for k in KINDS))
                content = package.extractfile(member) if chosen and member.isfile() else None
                if content is not None:
                    yield f"{file}!{base}", content.read(LARGEST + 1)
    except (tarfile.TarError, zlib.error, EOFError, OSError) as error:
        raise TerminologyError(file, f"not a readable package ({type(error).__name__})") from error


def _json(place: str, raw: bytes) -> Any:
    try:
        return json.loads(raw.decode("utf-8-sig"))
    except json.JSONDecodeError as error:
        raise TerminologyError(f"{place}:{error.lineno}", f"not JSON: {error.msg}") from None
    except (UnicodeDecodeError, RecursionError) as error:
        raise TerminologyError(place, f"not JSON ({type(error).__name__})") from None


def _csv(place: str, raw: bytes) -> Edition:
    """A CSV with a column of codes, in UTF-8 or windows-1252, its cells between commas, semicolons or tabs."""
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = raw.decode("cp1252", "replace")
    lines = text.splitlines()
    said: dict[str, str] = {}
    first = 0
    while first < len(lines) and (not lines[first].strip() or lines[first].startswith("#")):
        key, colon, value = lines[first].lstrip("# ").partition(":")
        if colon and key in (*SETTINGS, *COLUMNS):
            said[key] = value.strip()
        first += 1
    header = lines[first] if first < len(lines) else ""
    delimiter = max(",;\t", key=header.count)
    reader = csv.reader(lines[first:], delimiter=delimiter)
    columns = _columns(f"{place}:{first + 1}", next(reader, []))
    concepts = []
    try:
        for cells in reader:
            if any(cells):
                spot = f"{place}:{first + reader.line_num}"
                concepts.append(_row(spot, {name: cells[at] for name, at in columns.items() if at < len(cells)}, said))
    except csv.Error as error:
        raise TerminologyError(f"{place}:{first + reader.line_num}", str(error)) from error
    identifiers = tuple(each for each in said.get("identifier", "").split("|") if each)
    name = place.rpartition("/")[2].rpartition("!")[2].removesuffix(".csv")
    version, source = said.get("version", ""), said.get("source") or name
    return Edition("CSV", name, place, identifiers, version, day(said.get("effective")), source, distinct(concepts))


def _columns(place: str, header: list[str]) -> dict[str, int]:
    known = [cell.strip().lower() for cell in header]
    found = {
        name: known.index(word)
        for name, words in _NAMES.items()
        if (word := next((w for w in words if w in known), ""))
    }
    if "code" not in found:
        raise TerminologyError(place, f"no column of codes (one of {', '.join(_NAMES['code'])})")
    return found


def _row(place: str, cells: Mapping[str, str], said: Mapping[str, str]) -> Official:
    cell = {name: text.strip() for name, text in cells.items()}
    system = cell.get("system") or said.get("exchange_system", "")
    retired = cell.get("status", "").lower() in _RETIRED
    label = " ".join(cell.get("display", "").split())
    return Official(cell["code"], system, label, place, retired, day(cell.get("start")), day(cell.get("end")))
