"""What a national number or an address says when it is read back to a person: kind, key, and for a matricule sex, birth and place.

The guides show an INS read back so that whoever types it sees whom it is about ("une femme, née en juillet 1988, dans le
département 99"). A matricule holds the year by its last two digits: where two centuries are possible, both are told.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from msgspec.structs import replace

from connector.exchange.identifiers import PS_IDNAT, STRUCT_IDNAT, check, matricule, national, nir_key, normalise
from connector.exchange.people import Identifier, Model
from connector.issues import Issue, IssueCode, Severity

__all__ = ["KINDS", "PATIENT_DOMAIN", "Decoded", "InsFacts", "decode", "decode_ins", "ins_of_address", "sentence"]

#: Domain of the patients' addresses; the local part is the matricule with its key (MSSanté, Mon espace santé).
PATIENT_DOMAIN = "patient.mssante.fr"

_OLDEST = 120  # years: nobody older is meant
_MONTHS = {
    "fr": ("janvier", "février", "mars", "avril", "mai", "juin", "juillet", "août", "septembre", "octobre", "novembre", "décembre"),
    "en": ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"),
}  # fmt: skip
_MAIL = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+\Z")


class InsFacts(Model, frozen=True, kw_only=True):
    """What a matricule INS says. `sex`: male or female; `year` two digits; `month` 1–12, None when the civil record lacks it; `department`
    two characters (2A, 2B, 99 abroad) or three overseas (97x, 98x); `key` as computed; `provisional`: not certified yet."""

    sex: str
    year: str
    month: int | None = None
    department: str
    commune: str
    key: str
    provisional: bool = False


class Decoded(Model, frozen=True, kw_only=True):
    """One value read back. `kind` is one of KINDS, "" when none fits; `number` the bare number; `others`: kinds with the same form;
    `written`: its PS_IdNat or Struct_IdNat writing."""

    kind: str
    number: str
    written: str | None = None
    ins: InsFacts | None = None
    others: tuple[str, ...] = ()
    issues: tuple[Issue, ...] = ()


def decode_ins(value: str) -> InsFacts | None:
    """The facts of a matricule of 15 characters with a true key, or of 13 without key; spaces are ignored. None: malformed or false key."""
    bare = value.replace(" ", "").upper()
    try:
        whole = bare + nir_key(bare) if len(bare) == 13 else bare
        found = matricule(whole)
    except ValueError:
        return None
    month = int(found.month) if found.month else None
    return InsFacts(
        sex=found.sex, year=found.year, month=month, department=found.department, commune=found.commune,
        key=found.key, provisional=found.provisional,
    )  # fmt: skip


def ins_of_address(address: str) -> str | None:
    """The local part of a patient's address (`<matricule>@patient.mssante.fr`), None for another domain."""
    local, _, domain = address.strip().rpartition("@")
    return local if domain.lower() == PATIENT_DOMAIN else None


def sentence(facts: InsFacts, language: str, today: str) -> str:
    """The facts as the guides say them, in `fr` or `en`. `today` is an ISO date: it decides between the centuries."""
    year = int(today[:4])
    possible = [born for born in (year - _OLDEST + n for n in range(_OLDEST + 1)) if f"{born % 100:02d}" == facts.year]
    years = (" ou " if language == "fr" else " or ").join(map(str, possible)) or facts.year
    when = f"{_MONTHS[language][facts.month - 1]} {years}" if facts.month else years
    if language == "fr":
        who = "une femme, née" if facts.sex == "female" else "un homme, né"
        return f"Ce matricule INS correspond à {who} en {when}, dans le département {facts.department}"
    who = "a woman" if facts.sex == "female" else "a man"
    return f"This INS matricule is that of {who} born in {when}, in département {facts.department}"


# --- any value -------------------------------------------------------------------------------------------------------


def decode(value: str, kind: str | None = None) -> Decoded:
    """Which number or address this is (or take it as `kind`), and what is wrong with it. Raises KeyError for a kind not in KINDS."""
    bare = value.strip() if "@" in value else value.replace(" ", "").upper()
    chosen = kind or next(iter(_fitting(bare)), "")
    if not chosen:
        issue = Issue.of(Severity.ERROR, IssueCode.IDENTIFIER_FORM, what=", ".join(KINDS))
        return Decoded(kind="", number=bare, issues=(issue,))
    decoded = KINDS[chosen](chosen, bare)
    others = () if kind else tuple(name for name in _fitting(bare) if name != decoded.kind)
    return replace(decoded, others=others)


def _fitting(bare: str) -> list[str]:
    """Kinds whose form it has, the likeliest first: FINESS, SIREN and ADELI have nine digits all, and one key."""
    if "@" in bare:
        return ["PATIENT" if ins_of_address(bare) is not None else "MSSANTE"]
    if re.fullmatch(r"[1-478][0-9]{5}[0-9AB][0-9]{6}([0-9]{2})?", bare) and not _prefixed_siret(bare):
        return ["INS"]
    if re.fullmatch(r"[0-9][0-9AB][0-9]{7}", bare):
        return ["FINESS", "ADELI", "SIREN"] if bare.isdigit() else ["FINESS"]
    if not bare.isdigit():
        return []
    if len(bare) == 10 and bare[0] in "012":
        return ["IDNPS"] if bare[0] == "0" else ["IDNST"]
    fixed = {
        11: ["RPPS"],
        12: ["IDNPS"] if bare[0] == "8" else [],
        14: ["SIRET"],
        15: ["IDNST"] if bare[0] == "3" else [],
    }
    return fixed.get(len(bare), [])


def _prefixed_siret(bare: str) -> bool:
    """Fifteen digits behind a 3: a Struct_IdNat, unless the key is that of a matricule of series 3."""
    return len(bare) == 15 and bare[0] == "3" and decode_ins(bare) is None


def _ins(kind: str, bare: str) -> Decoded:
    facts = decode_ins(bare)
    issues = () if facts else (Issue.of(Severity.ERROR, IssueCode.INS_KEY),)
    return Decoded(kind=kind, number=bare + facts.key if facts and len(bare) == 13 else bare, ins=facts, issues=issues)


def _number(kind: str, bare: str) -> Decoded:
    family = {"IDNPS": PS_IDNAT, "IDNST": STRUCT_IDNAT}.get(kind)
    identifier = Identifier(value=bare, system=family, kind="FINEG" if kind == "FINESS" else kind)
    register, number = normalise(identifier)
    issues = tuple(check(identifier))
    if register == kind and family:  # no known prefix
        issues = (Issue.of(Severity.WARNING, IssueCode.IDENTIFIER_FORM, what=kind),)
    return Decoded(kind=register, number=number, written=bare if family else _written(identifier), issues=issues)


def _written(identifier: Identifier) -> str | None:
    try:
        return national(normalise(identifier)).value
    except KeyError:
        return None


def _mssante(kind: str, bare: str) -> Decoded:
    issues = () if _MAIL.match(bare) else (Issue.of(Severity.ERROR, IssueCode.IDENTIFIER_FORM, what="MSSanté"),)
    return Decoded(kind=kind, number=bare.lower(), issues=issues)


def _patient(kind: str, bare: str) -> Decoded:
    local = ins_of_address(bare)
    inner = _ins(kind, (local or "").upper()) if local and len(local) == 15 else None
    if inner is not None:
        return inner
    return Decoded(
        kind=kind,
        number=bare,
        issues=(Issue.of(Severity.ERROR, IssueCode.IDENTIFIER_FORM, what=f"<INS>@{PATIENT_DOMAIN}"),),
    )


#: What a value may be taken as.
KINDS: dict[str, Callable[[str, str], Decoded]] = {
    "INS": _ins,
    "PATIENT": _patient,
    "MSSANTE": _mssante,
    **dict.fromkeys(("RPPS", "ADELI", "FINESS", "SIREN", "SIRET", "IDNPS", "IDNST"), _number),
}
