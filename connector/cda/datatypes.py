"""CDA data types ↔ canonical values (HL7 v3 Data Types R1 as the CI-SIS uses them): II, CD/CE, PN, AD, TEL, TS, BL, INT, ED.

Each is a reader and a writer side by side. A null flavour reads as absent; the place keeps its `@nullFlavor`, which shows as unread.
Names of organisations (ON) and texts (ST) are the text of their element and need no type.
"""

from __future__ import annotations

from typing import Any

import pybase64

from connector.cda.tree import Base64Text, Element
from connector.exchange import identifiers, moments
from connector.exchange.moments import Moment
from connector.exchange.people import Address, Concept, HumanName, Identifier, Telecom
from connector.mapping.language import Datatype, Run, Traced

__all__ = ["DATATYPES"]


def carried(value: str, *sources: str | None) -> str:
    """The value with the places of the texts that it was made from, when they are traced: a look-up or a join loses them."""
    places = [place for source in sources if isinstance(source, Traced) for place in source.places]
    return Traced(value, places) if places else value


def _joined(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else carried(" ".join(parts), *parts)


def _worded(code: str | None, words: dict[str, str]) -> str | None:
    """The canonical word of a code, the code itself when there is no word for it."""
    return carried(words.get(code, code), code) if code is not None else None


# --- II ---------------------------------------------------------------------------------------------------------------


def read_ii(node: Element, run: Run) -> Identifier | None:
    """II: root and extension (HL7 v3 DT R1 §2.9). A root alone is the value; an extension without root has no domain."""
    del run
    root, extension = node.get("root"), node.get("extension")
    if root is None:
        return Identifier(value=extension, authority=node.get("assigningAuthorityName")) if extension else None
    found = identifiers.from_cda(root, extension)
    return Identifier(
        value=found.value,
        system=found.system,
        kind=carried(found.kind, root) if found.kind else None,
        authority=node.get("assigningAuthorityName"),
    )


def write_ii(value: Identifier, node: Element, run: Run) -> None:
    """II. National numbers get the prefix of PS_IdNat and Struct_IdNat. ValueError when the domain has no OID: a root is an OID or a UUID."""
    del run
    root, extension = identifiers.to_cda(value)
    if value.authority:
        node.attributes["assigningAuthorityName"] = value.authority
    if root is None and value.system is None and extension and _is_root(extension):
        node.attributes["root"] = extension
    elif root is None:
        raise ValueError("II: an identifier in a domain with an OID")
    else:
        node.attributes["root"] = root
        if extension:
            node.attributes["extension"] = extension


def _is_root(text: str) -> bool:
    return identifiers.is_oid(text) or is_uuid(text)


def is_uuid(text: str) -> bool:
    """Whether a text is a UUID in its usual writing."""
    return len(text) == 36 and text.count("-") == 4 and text.replace("-", "").isalnum() and _hexadecimal(text)


def _hexadecimal(text: str) -> bool:
    try:
        int(text.replace("-", ""), 16)
    except ValueError:
        return False
    return [len(part) for part in text.split("-")] == [8, 4, 4, 4, 12]


def read_unique_id(node: Element, run: Run) -> str | None:
    """A document id as XDS names it: `root`, or `root^extension`."""
    del run
    root, extension = node.get("root"), node.get("extension")
    if root is None:
        return None
    # Sums, not an f-string: explain follows both ends.
    return root + "^" + extension if extension else root


def write_unique_id(value: str, node: Element, run: Run) -> None:
    """`root` or `root^extension`. ValueError when the root is neither OID nor UUID."""
    del run
    root, _, extension = value.partition("^")
    if not _is_root(root):
        raise ValueError("a document id whose root is an OID or a UUID")
    node.attributes["root"] = root
    if extension:
        node.attributes["extension"] = extension


# --- CD ---------------------------------------------------------------------------------------------------------------


def read_cd(node: Element, run: Run) -> Concept | None:
    """CD, CE, CV, CS: code with its system, label, version and original text. Translations and qualifiers are not read."""
    code = node.get("code")
    if code is None:
        return None
    system = node.get("codeSystem")
    systems = run.context.systems
    if system is None:
        system = node.get("codeSystemName")
    if system is not None and systems is not None:
        system = carried(systems.canonical(system), system)
    return Concept(
        code=code,
        system=system,
        display=node.get("displayName"),
        version=node.get("codeSystemVersion"),
        text=node.value("originalText"),
    )


def write_cd(value: Concept, node: Element, run: Run) -> None:
    """CD. ValueError when the system has no OID: codeSystem is an OID."""
    attributes = node.attributes
    attributes["code"] = value.code
    oid = None
    if value.system:
        systems = run.context.systems
        oid = systems.oid(value.system) if systems is not None else value.system
        oid = oid if oid and identifiers.is_oid(oid) else None
    if oid:
        attributes["codeSystem"] = oid
    if value.version:
        attributes["codeSystemVersion"] = value.version
    if value.display:
        attributes["displayName"] = value.display
    if value.text:
        node.add("originalText", text=value.text)
    if value.system and oid is None:
        raise ValueError("CD: a code system with an OID")


# --- PN ---------------------------------------------------------------------------------------------------------------


def read_pn(node: Element, run: Run) -> HumanName | None:
    """PN of a person who is not the patient. Qualifier BR makes it the birth name, CL or SP the usual one, none says nothing."""
    del run
    family = use = birth_given = None
    given: list[str] = []
    others: list[str] = []
    for part in node.children:
        text = part.text
        if not isinstance(text, str):
            continue
        qualifier = part.get("qualifier")
        if part.name == "family":
            if family is None or (qualifier == "BR" and use != "birth"):
                family, use = text, _name_use(qualifier)
        elif part.name == "given":
            (given if qualifier else others).append(text)
    if use == "birth":  # without qualifier: the given names of the birth certificate
        birth_given = _joined(others) if others else None
    else:
        given = others + given
    prefix, suffix, text = node.value("prefix"), node.value("suffix"), None
    if family is None and not given and isinstance(node.text, str):
        text = node.text
    if family is None and not given and not text and not prefix and not suffix:
        return None
    return HumanName(
        use=use,
        family=family,
        given=tuple(given),
        birth_given=birth_given,
        prefix=prefix,
        suffix=suffix,
        text=text,
    )


_NAME_USE = {"BR": "birth", "CL": "usual", "SP": "usual"}


def _name_use(qualifier: str | None) -> str | None:
    use = _NAME_USE.get(qualifier or "")
    return carried(use, qualifier) if use else None


_NAME_QUALIFIER = {"birth": "BR", "usual": "CL"}


def write_pn(value: HumanName, node: Element, run: Run) -> None:
    """PN: prefix, given names, family name, suffix. ValueError for a use that no qualifier says."""
    del run
    if value.text and not value.family and not value.given:
        node.text = value.text
    qualifier = _NAME_QUALIFIER.get(value.use or "")
    qualified = {"qualifier": qualifier} if qualifier else None
    if value.prefix:
        node.add("prefix", text=value.prefix)
    if value.birth_given:
        node.add("given", text=value.birth_given)
    listed = bool(value.birth_given) or value.use == "birth"
    for name in value.given:
        node.add("given", dict(qualified) if qualified and listed else None, name)
    if value.family:
        node.add("family", dict(qualified) if qualified else None, value.family)
    if value.suffix:
        node.add("suffix", text=value.suffix)
    if value.use is not None and qualifier is None:
        raise ValueError("PN: a birth or usual name, or one without use")


# --- AD ---------------------------------------------------------------------------------------------------------------

_LINES = ("streetAddressLine", "deliveryAddressLine", "additionalLocator", "unitID", "postBox", "careOf")
_STREET = ("houseNumber", "houseNumberNumeric", "streetNameType", "streetNameBase", "streetName")
_FIELDS = {
    "city": "city",
    "postalCode": "postal_code",
    "country": "country",
    "county": "insee",
    "precinct": "district",
}
#: Where the lines go in the component form: one element each, at most once (CI-SIS CISISAddr).
_LINE_ELEMENTS = ("streetName", "additionalLocator", "unitID")
_ADDRESS_USE = {"H": "home", "HP": "home-primary", "HV": "vacation", "WP": "work", "DIR": "direct", "PUB": "public", "TMP": "temporary"}  # fmt: skip
_ADDRESS_CODE = {word: code for code, word in _ADDRESS_USE.items()}


def read_ad(node: Element, run: Run) -> Address | None:
    """AD in either form: streetAddressLine, or components; house number, street type and street name make one line."""
    del run
    lines: list[str] = []
    street: list[str] = []
    at = 0
    fields: dict[str, str] = {}
    for part in node.children:
        text = part.text
        if not isinstance(text, str):
            continue
        if part.name in _STREET:
            if not street:
                at = len(lines)
            street.append(text)
        elif part.name in _LINES:
            lines.append(text)
        elif part.name in _FIELDS:
            fields.setdefault(_FIELDS[part.name], text)
    if street:
        lines.insert(at, _joined(street))
    if not lines and not fields and isinstance(node.text, str):
        lines = [node.text]
    if not lines and not fields:
        return None
    return Address(use=_worded(node.get("use"), _ADDRESS_USE), lines=tuple(lines), **fields)


def write_ad(value: Address, node: Element, run: Run) -> None:
    """AD: lines alone as streetAddressLine, else components (the CI-SIS forbids a mix). ValueError for a use of another vocabulary
    and for more lines than the components have places."""
    del run
    code = _ADDRESS_CODE.get(value.use, value.use) if value.use else None
    if code in _ADDRESS_USE:
        node.attributes["use"] = code
    fields = [(element, getattr(value, field)) for element, field in _FIELDS.items() if getattr(value, field)]
    if not fields:
        for line in value.lines:
            node.add("streetAddressLine", text=line)
    for element, line in zip(_LINE_ELEMENTS, value.lines if fields else (), strict=False):
        node.add(element, text=line)
    for element, text in fields:
        node.add(element, text=text)
    if code is not None and code not in _ADDRESS_USE:
        raise ValueError("AD: a use among H, HP, HV, WP, DIR, PUB, TMP")
    if fields and len(value.lines) > len(_LINE_ELEMENTS):
        raise ValueError(f"AD: at most {len(_LINE_ELEMENTS)} lines beside a city")


# --- TEL --------------------------------------------------------------------------------------------------------------

_SCHEMES = {"tel": "phone", "fax": "fax", "mailto": "email", "http": "url", "https": "url", "ftp": "url", "mllp": "url"}
_TELECOM_USE = {"H": "home", "HP": "home-primary", "HV": "vacation", "WP": "work", "DIR": "direct", "PUB": "public", "EC": "emergency", "MC": "mobile", "PG": "pager"}  # fmt: skip
_TELECOM_CODE = {word: code for code, word in _TELECOM_USE.items()}


def read_tel(node: Element, run: Run) -> Telecom | None:
    """TEL: the scheme says the kind; an address of the MSSanté trust domain is a secure mailbox."""
    del run
    value = node.get("value")
    if value is None:
        return None
    scheme = value.partition(":")[0].lower()
    system = _SCHEMES.get(scheme)
    if system is None:
        system = "other" if ":" in value else "phone"
    elif system != "url":
        value = value[len(scheme) + 1 :].strip()
        if system == "email" and value.lower().endswith(".mssante.fr"):
            system = "mssante"
    if not value:
        return None
    return Telecom(value=value, system=carried(system, value), use=_worded(node.get("use"), _TELECOM_USE))


def write_tel(value: Telecom, node: Element, run: Run) -> None:
    """TEL. ValueError for a use or a kind that the CI-SIS does not know."""
    del run
    text = value.value
    scheme = {"phone": "tel:", "fax": "fax:", "email": "mailto:", "mssante": "mailto:", None: "tel:"}.get(value.system)
    code = _TELECOM_CODE.get(value.use, value.use) if value.use else None
    if scheme is not None or ":" in text:
        node.attributes["value"] = (scheme or "") + text
    if code in _TELECOM_USE:
        node.attributes["use"] = code
    if scheme is None and ":" not in text:
        raise ValueError("TEL: a value with its scheme")
    if code is not None and code not in _TELECOM_USE:
        raise ValueError("TEL: a use among H, HP, HV, WP, DIR, PUB, EC, MC, PG")


# --- leaves -----------------------------------------------------------------------------------------------------------


def read_ts(text: str, run: Run) -> Moment:
    """TS: YYYY[MM[DD[HHMM[SS]]]][±ZZZZ]; impossible dates are ValueError."""
    del run
    return moments.from_hl7(text)


def write_ts(value: Moment, run: Run) -> str:
    """TS, as precise as the moment."""
    del run
    return moments.to_hl7(value)


def read_bl(text: str, run: Run) -> bool:
    """BL: true or false."""
    del run
    if text not in ("true", "false", "1", "0"):
        raise ValueError("BL: true or false")
    return text in ("true", "1")


def write_bl(value: bool, run: Run) -> str:
    """BL."""
    del run
    return "true" if value else "false"


def read_int(text: str, run: Run) -> int:
    """INT."""
    del run
    if len(text) > 10:
        raise ValueError("INT: ten digits at most")
    return int(text)


def write_int(value: int, run: Run) -> str:
    """INT."""
    del run
    return str(value)


def read_base64(text: str | Base64Text, run: Run) -> bytes:
    """ED with representation B64. ValueError with the offset of what is not base64."""
    del run
    return (text if isinstance(text, Base64Text) else Base64Text(text.encode())).decode()


def write_base64(value: bytes, run: Run) -> Base64Text:
    """ED with representation B64; the text goes into the document without another copy."""
    del run
    return Base64Text(pybase64.b64encode(value))


def _node(name: str, read: Any, write: Any, value: Any) -> Datatype:
    return Datatype(name=name, read=read, write=write, node=True, value=value)


def _leaf(name: str, read: Any, write: Any, value: Any) -> Datatype:
    return Datatype(name=name, read=read, write=write, node=False, value=value)


DATATYPES: dict[str, Datatype] = {
    datatype.name: datatype
    for datatype in (
        _node("ii", read_ii, write_ii, Identifier),
        _node("unique-id", read_unique_id, write_unique_id, str),
        _node("cd", read_cd, write_cd, Concept),
        _node("pn", read_pn, write_pn, HumanName),
        _node("ad", read_ad, write_ad, Address),
        _node("tel", read_tel, write_tel, Telecom),
        _leaf("ts", read_ts, write_ts, str),
        _leaf("bl", read_bl, write_bl, bool),
        _leaf("int", read_int, write_int, int),
        _leaf("base64", read_base64, write_base64, bytes),
    )
}
