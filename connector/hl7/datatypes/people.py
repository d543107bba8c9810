"""XPN, XAD, XTN, XCN, XON and PL as canonical names, addresses, telecoms, parties, organisations and places."""

from __future__ import annotations

from connector.exchange.care import Place
from connector.exchange.people import Address, HumanName, Identifier, Organization, Party, Telecom
from connector.hl7.datatypes.identifiers import domain_of, read_xcn_id, read_xon_id, type_of, write_xcn_id, write_xon_id
from connector.hl7.datatypes.said import all_said, carried, code, erased, put, said, word
from connector.hl7.message import Repetition
from connector.mapping.language import Erase, Run

__all__ = [
    "read_ndl",
    "read_pl",
    "read_xad",
    "read_xcn",
    "read_xcn_name",
    "read_xon",
    "read_xpn",
    "read_xtn",
    "write_ndl",
    "write_pl",
    "write_xad",
    "write_xcn",
    "write_xcn_name",
    "write_xon",
    "write_xpn",
    "write_xtn",
]

# Table 0200 as PAM.fr uses it, for a run without the site's tables.
_NAME_USES = {"L": "birth", "D": "usual", "S": "pseudonym", "U": "unspecified"}
# Table 0190; other codes stay what they are. BDL says what the whole address is: the rule of the birth place tests it.
_ADDRESS_USES = {"H": "home", "O": "work", "C": "temp", "BI": "billing", "B": "work", "BDL": None}
_ADDRESS_CODES = {"home": "H", "work": "O", "temp": "C", "billing": "BI"}
# Table 0201.
_TELECOM_USES = {"PRN": "home", "WPN": "work", "NET": None}
_TELECOM_CODES = {"home": "PRN", "work": "WPN", "mobile": "PRN"}
# Table 0202.
_EQUIPMENT = {"PH": "phone", "CP": "phone", "FX": "fax", "INTERNET": "email", "X.400": "mssante"}


def _given(first: str | None, others: str | None) -> tuple[str, ...]:
    names = [first] if first is not None else []
    if others is not None:
        names += [carried(name, others) for name in others.split()]
    return tuple(names)


def _name(name: HumanName) -> HumanName | None:
    return None if name == HumanName(use=name.use) else name


def read_xpn(node: Repetition, run: Run) -> HumanName | Erase | None:
    """XPN, v2.6 §2.A.89. In a birth name XPN-3 is the list of birth given names as the identity holds it (PAM.fr); else further given names."""
    family, first, others, suffix, prefix, kind = all_said(node, 1, 2, 3, 4, 5, 7)
    use = word("name-use", kind, run, _NAME_USES)
    birth = use == "birth"
    name = HumanName(
        use=use,
        family=family,
        given=_given(first, None if birth else others),
        birth_given=others if birth else None,
        suffix=suffix,
        prefix=prefix,
    )
    return _name(name) or erased(node)


def write_xpn(name: HumanName, node: Repetition, run: Run) -> None:
    """XPN; a birth name without its list of given names gets it from the given names when there are several."""
    put(node, name.family, 1)
    put(node, name.given[0] if name.given else None, 2)
    others = " ".join(name.given if name.use == "birth" else name.given[1:])
    if name.birth_given is not None:
        node.put(name.birth_given, 3)
    elif others and len(name.given) > 1:
        node.put(others, 3)
    put(node, name.suffix, 4)
    put(node, name.prefix, 5)
    put(node, code("name-use", name.use, run, _NAME_USES), 7)


def read_xcn_name(node: Repetition, run: Run) -> HumanName | Erase | None:
    """XCN-2 to -6 and -10 as a name, v2.6 §2.A.86."""
    family, first, others, suffix, prefix, kind = all_said(node, 2, 3, 4, 5, 6, 10)
    use = word("name-use", kind, run, _NAME_USES)
    name = HumanName(use=use, family=family, given=_given(first, others), suffix=suffix, prefix=prefix)
    return _name(name) or erased(node)


def write_xcn_name(name: HumanName, node: Repetition, run: Run) -> None:
    """XCN-2 to -6 and -10."""
    put(node, name.family, 2)
    put(node, name.given[0] if name.given else None, 3)
    put(node, " ".join(name.given[1:]) or None, 4)
    put(node, name.suffix, 5)
    put(node, name.prefix, 6)
    put(node, code("name-use", name.use, run, _NAME_USES), 10)


def read_xcn(node: Repetition, run: Run) -> Party | Erase | None:
    """XCN as a party: its identifier and its name."""
    identifier, name = read_xcn_id(node, run), read_xcn_name(node, run)
    if isinstance(identifier, Erase):
        return identifier
    if identifier is None and (name is None or isinstance(name, Erase)):
        return None
    return Party(
        identifiers=() if identifier is None else (identifier,), name=None if isinstance(name, Erase) else name
    )


def write_xcn(party: Party, node: Repetition, run: Run) -> None:
    """XCN: the first identifier of a party and its name."""
    if party.identifiers:
        write_xcn_id(party.identifiers[0], node, run)
    if party.name is not None:
        write_xcn_name(party.name, node, run)


def read_ndl(node: Repetition, run: Run) -> Party | Erase | None:
    """NDL, v2.6 §2.A.45: of its first component (CNN) the number with its domain, and the name."""
    value = said(node, 1)
    name = _name(
        HumanName(
            family=said(node, 1, 2),
            given=_given(said(node, 1, 3), said(node, 1, 4)),
            suffix=said(node, 1, 5),
            prefix=said(node, 1, 6),
        )
    )
    if value is None:
        return Party(name=name) if name is not None else erased(node)
    authority, system, kind = domain_of(said(node, 1, 9), said(node, 1, 10), said(node, 1, 11))
    number = Identifier(value=value, authority=authority, system=system, system_type=kind)
    return Party(identifiers=(number,), name=name)


def write_ndl(party: Party, node: Repetition, run: Run) -> None:
    """NDL: the first identifier of a party and its name."""
    if party.identifiers:
        number = party.identifiers[0]
        node.put(number.value, 1)
        for place, text in enumerate((number.authority, number.system, type_of(number)), 9):
            put(node, text, 1, place)
    if party.name is not None:
        name = party.name
        given = name.given[0] if name.given else None
        for place, text in enumerate(
            (name.family, given, " ".join(name.given[1:]) or None, name.suffix, name.prefix), 2
        ):
            put(node, text, 1, place)


def read_xon(node: Repetition, run: Run) -> Organization | Erase | None:
    """XON, v2.6 §2.A.88."""
    identifier, name = read_xon_id(node, run), said(node, 1)
    if isinstance(identifier, Erase) or (identifier is None and name is None):
        return erased(node)
    return Organization(identifiers=() if identifier is None else (identifier,), name=name)


def write_xon(organization: Organization, node: Repetition, run: Run) -> None:
    """XON: the name and the first identifier."""
    put(node, organization.name, 1)
    if organization.identifiers:
        write_xon_id(organization.identifiers[0], node, run)


def read_xad(node: Repetition, run: Run) -> Address | Erase | None:
    """XAD, v2.6 §2.A.84; XAD-9 holds the code officiel géographique in France."""
    first, second, city, district, postal_code, country, kind, insee = all_said(node, 1, 2, 3, 4, 5, 6, 7, 9)
    use = _ADDRESS_USES.get(kind, kind) if kind is not None else None
    address = Address(
        use=carried(use, kind) if use is not None else None,
        lines=tuple([line for line in (first, second) if line is not None]),
        city=city,
        district=district,
        postal_code=postal_code,
        country=country,
        insee=insee,
    )
    return erased(node) if address == Address(use=address.use) else address


def write_xad(address: Address, node: Repetition, run: Run) -> None:
    """XAD; lines after the first share XAD-2."""
    put(node, address.lines[0] if address.lines else None, 1)
    put(node, ", ".join(address.lines[1:]) or None, 2)
    put(node, address.city, 3)
    put(node, address.district, 4)
    put(node, address.postal_code, 5)
    put(node, address.country, 6)
    if address.use is not None:
        node.put(_ADDRESS_CODES.get(address.use, address.use), 7)
    put(node, address.insee, 9)


def read_xtn(node: Repetition, run: Run) -> Telecom | Erase | None:
    """XTN, v2.6 §2.A.90: the number of XTN-12, -1 or -5 to -8, or the address of XTN-4 (`X.400` in XTN-3: a secure mailbox)."""
    first, use_code, equipment, address, number, *pieces = all_said(node, 1, 2, 3, 4, 12, 5, 6, 7, 8)
    parts = [part for part in pieces if part is not None]
    value = address or number or first or (carried(" ".join(parts), *parts) if parts else None)
    if value is None:
        return erased(node)
    system = _EQUIPMENT.get((equipment or ("Internet" if address else "PH")).upper(), "other")
    if system == "email" and value.startswith(("http://", "https://")):
        system = "url"
    use = _TELECOM_USES.get(use_code, use_code) if use_code is not None else None
    if equipment == "CP" and use in {None, "home"}:
        return Telecom(value=value, system=carried(system, equipment), use=carried("mobile", use_code, equipment))
    return Telecom(
        value=value,
        system=carried(system, equipment),
        use=carried(use, use_code) if use is not None else None,
    )


def write_xtn(telecom: Telecom, node: Repetition, run: Run) -> None:
    """XTN as PAM.fr wants it: a number in XTN-12, an address in XTN-4."""
    system = telecom.system or "phone"
    if system in {"email", "url", "mssante"}:
        node.put("NET" if telecom.use is None else _TELECOM_CODES.get(telecom.use, telecom.use), 2)
        node.put("X.400" if system == "mssante" else "Internet", 3)
        node.put(telecom.value, 4)
        return
    if telecom.use is not None:
        node.put(_TELECOM_CODES.get(telecom.use, telecom.use), 2)
    equipment = {"phone": "CP" if telecom.use == "mobile" else "PH", "fax": "FX"}
    put(node, equipment.get(system), 3)
    node.put(telecom.value, 12)


def read_pl(node: Repetition, run: Run) -> Place | Erase | None:
    """PL, v2.6 §2.A.53: unit, room, bed, facility."""
    unit, room, bed, facility = all_said(node, 1, 2, 3, 4)
    place = Place(unit=unit, room=room, bed=bed, facility=facility)
    return erased(node) if place == Place() else place


def write_pl(place: Place, node: Repetition, run: Run) -> None:
    """PL."""
    put(node, place.unit, 1)
    put(node, place.room, 2)
    put(node, place.bed, 3)
    put(node, place.facility, 4)
