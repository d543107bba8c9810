"""CDA names, addresses and telecoms ↔ canonical values: PN, AD, TEL (HL7 v3 Data Types R1 as the CI-SIS uses them)."""

from __future__ import annotations

from connector.cda.said import carried, joined, worded
from connector.cda.tree import Element
from connector.exchange.people import Address, HumanName, Telecom
from connector.mapping.language import Run

__all__ = ["read_ad", "read_pn", "read_tel", "write_ad", "write_pn", "write_tel"]


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
        birth_given = joined(others) if others else None
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
        lines.insert(at, joined(street))
    if not lines and not fields and isinstance(node.text, str):
        lines = [node.text]
    if not lines and not fields:
        return None
    return Address(use=worded(node.get("use"), _ADDRESS_USE), lines=tuple(lines), **fields)


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
    return Telecom(value=value, system=carried(system, value), use=worded(node.get("use"), _TELECOM_USE))


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
