"""Business rules about who: the matricule INS, its environment and traits, and the patient of a CDA against the message's.

Sources: CI-SIS volet "Transmission d'un document CDA-R2 en HL7v2" (PID-3, application errors 902–906), PAM.fr 2.11.1 (PID), the
référentiel INS. Each rule is a generator of issues; `rules.check` runs them and stamps the rule's name.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

from msgspec.structs import replace

from connector.exchange.facts import Facts
from connector.exchange.identifiers import INS_NIR, check, ins_environment, ins_of, is_ins, matricule, normalise
from connector.exchange.model import Context, Exchange
from connector.exchange.moments import Moment, date_of
from connector.exchange.people import HumanName, Identifier, Party, Patient
from connector.issues import Issue, IssueCode, Severity

__all__ = [
    "birth_name",
    "different_traits",
    "folded",
    "ins_environment_rule",
    "ins_key",
    "ins_qualified",
    "ins_traits",
    "local_identity",
    "missing_traits",
    "national_numbers",
    "no_test_identity",
    "patient_of_document",
    "qualified",
    "releasable",
]


def qualified(patient: Patient | None) -> bool:
    """Whether the identity is qualified: validated (VALI) and under an INS."""
    return patient is not None and patient.identity_status == "validated" and ins_of(patient) is not None


def releasable(patient: Patient) -> Patient:
    """The patient without matricule and OID when the identity is not qualified: they may not leave then (référentiel INS)."""
    if qualified(patient) or not any(is_ins(each) for each in patient.identifiers):
        return patient
    return replace(patient, identifiers=tuple(each for each in patient.identifiers if not is_ins(each)))


def birth_name(patient: Patient) -> HumanName | None:
    """The name of use birth, else the only name that has no use."""
    for name in patient.names:
        if name.use == "birth":
            return name
    return next((name for name in patient.names if name.use is None), None)


def folded(text: str) -> str:
    """A name for comparison: without accents, in capitals, with single spaces for spaces, hyphens and apostrophes.

    The INS writes names in capitals without accents; local records keep them, and the same person must match.
    """
    flat = unicodedata.normalize("NFKD", text)
    letters = (" " if not each.isalnum() else each for each in flat if not unicodedata.combining(each))
    return " ".join("".join(letters).upper().split())


# --- the INS ---------------------------------------------------------------------------------------------------------


def _ins_with_places(exchange: Exchange) -> Iterator[tuple[Identifier, str]]:
    if exchange.patient is not None:
        for position, each in enumerate(exchange.patient.identifiers, 1):
            if is_ins(each):
                yield each, f"patient.identifiers[{position}]"


def ins_key(exchange: Exchange, _context: Context, _facts: Facts) -> Iterator[Issue]:
    """The matricule has 15 characters and a true key (906); it stands under an OID; one of a provisional series is no NIR."""
    for each, place in _ins_with_places(exchange):
        found = check(each, f"{place}.value")
        yield from found
        if each.system is None:
            yield Issue.of(Severity.ERROR, IssueCode.IDENTIFIER_FORM, f"{place}.system", what="OID INS (CX-4.2)")
        elif not found and each.system == INS_NIR and matricule(normalise(each).number).provisional:
            yield Issue.of(Severity.ERROR, IssueCode.INS_KEY, f"{place}.system")


def ins_environment_rule(exchange: Exchange, context: Context, _facts: Facts) -> Iterator[Issue]:
    """A test or demonstration INS stays out of production, a real one out of a test environment."""
    for each, place in _ins_with_places(exchange):
        found = ins_environment(each.system)
        if found is not None and found != context.environment:
            yield Issue.of(
                Severity.ERROR, IssueCode.INS_ENVIRONMENT, f"{place}.system", found=found, expected=context.environment
            )


def ins_qualified(exchange: Exchange, _context: Context, _facts: Facts) -> Iterator[Issue]:
    """The DMP and the patient's own address need a qualified identity; MSSanté to professionals is tolerated without (volet, def-proc-collab)."""
    directives, patient = exchange.directives, exchange.patient
    if directives is None or qualified(patient):
        return
    place = "patient.identity_status"
    if directives.to_dmp:
        yield Issue.of(Severity.ERROR, IssueCode.INS_NOT_QUALIFIED, place, what="DMP")
    if directives.to_patient:
        yield Issue.of(Severity.ERROR, IssueCode.INS_NOT_QUALIFIED, place, what="MSSanté (patient)")
    if directives.to_professionals and ins_of(patient) is not None:
        yield Issue.of(Severity.WARNING, IssueCode.INS_NOT_QUALIFIED, place, what="MSSanté (professionnel)")


def missing_traits(patient: Patient) -> list[str]:
    """Which of the five strict traits are absent, as Exchange paths; a birth place needs its code (COG)."""
    name = birth_name(patient)
    traits = (
        ("names[use=birth].family", name is not None and name.family),
        ("names[use=birth].birth_given", name is not None and (name.birth_given or name.given)),
        ("birth_date", patient.birth_date),
        ("sex", patient.sex in ("male", "female", "other", "unknown")),
        ("birth_place.insee", patient.birth_place is not None and patient.birth_place.insee),
    )
    return [path for path, present in traits if not present]


def ins_traits(exchange: Exchange, _context: Context, _facts: Facts) -> Iterator[Issue]:
    """A matricule travels with its five strict traits (905)."""
    if exchange.patient is not None and ins_of(exchange.patient) is not None:
        missing = missing_traits(exchange.patient)
        if missing:
            yield Issue.of(Severity.ERROR, IssueCode.INS_INCOMPLETE, "patient", what=", ".join(missing))


def local_identity(exchange: Exchange, context: Context, _facts: Facts) -> Iterator[Issue]:
    """An INS that the patient index holds from another source with other strict traits is not integrated automatically (904)."""
    if exchange.patient is None or context.known is None or context.known.patient is None:
        return
    different = different_traits(exchange.patient, context.known.patient)
    if different:
        yield Issue.of(Severity.ERROR, IssueCode.LOCAL_IDENTITY, "patient", what=", ".join(different))


def no_test_identity(exchange: Exchange, context: Context, _facts: Facts) -> Iterator[Issue]:
    """In production, a birth name of the list `test_names` is a test patient's; test OIDs are judged by `ins_environment`."""
    if context.environment != "production" or exchange.patient is None:
        return
    names = {folded(name) for name in context.options.get("test_names", "").splitlines()}
    if any(name.family and folded(name.family) in names for name in exchange.patient.names):
        yield Issue.of(Severity.ERROR, IssueCode.TEST_PATIENT, "patient.names")


# --- the patient of the document ------------------------------------------------------------------------------------


def patient_of_document(exchange: Exchange, context: Context, facts: Facts) -> Iterator[Issue]:
    """Each CDA is about the message's patient: same identifiers (906), INS present (903) and equal (904), same traits (904)."""
    if exchange.patient is None:
        return
    for position, patient in enumerate(facts.header_patients, 1):
        if patient is not None:
            yield from _compared(exchange.patient, patient, f"documents[{position}].content", context)


def _compared(message: Patient, header: Patient, place: str, context: Context) -> Iterator[Issue]:
    ours, theirs = ins_of(message), ins_of(header)
    if ours is not None and theirs is None:
        yield Issue.of(Severity.ERROR, IssueCode.INS_MISSING, place)
    different = different_traits(message, header)
    if ours is not None and theirs is not None and _identity(ours) != _identity(theirs):
        different.insert(0, "INS")
    if different:
        what = ", ".join(different)
        yield Issue.of(
            Severity.ERROR, IssueCode.INS_DIFFERS, place, left="PID", right="recordTarget/patientRole", what=what
        )
    elif _identities(message) != _identities(header):
        strict = context.options.get("patient_identifiers", "strict") != "tolerant"
        # Tolerant: a local number that only one side holds is let through; the INS was compared above.
        yield Issue.of(Severity.ERROR if strict else Severity.WARNING, IssueCode.PATIENT_IDS_DIFFER, place)


def _identity(identifier: Identifier) -> tuple[str, str]:
    return identifier.system or identifier.authority or "", identifier.value.replace(" ", "")


def _identities(patient: Patient) -> set[tuple[str, str]]:
    return {_identity(each) for each in patient.identifiers}


def different_traits(message: Patient, header: Patient) -> list[str]:
    """Traits that both sides hold and that differ. A trait that one side lacks is not a difference."""
    different = []
    if not _same_date(message.birth_date, header.birth_date):
        different.append("birth_date")
    if _known(message.sex) and _known(header.sex) and message.sex != header.sex:
        different.append("sex")
    ours, theirs = birth_name(message), birth_name(header)
    if ours is not None and theirs is not None:
        if ours.family and theirs.family and folded(ours.family) != folded(theirs.family):
            different.append("birth_name")
        if not _same_given(ours, theirs):
            different.append("given")
    if message.birth_place is not None and header.birth_place is not None:
        left, right = message.birth_place.insee, header.birth_place.insee
        if left is not None and right is not None and left.strip().upper() != right.strip().upper():
            different.append("birth_place")
    return different


def _known(sex: str | None) -> bool:
    # The CDA of the CI-SIS has M, F and UN only: other and unknown cannot be told apart there.
    return sex in ("male", "female")


def _same_date(left: Moment | None, right: Moment | None) -> bool:
    """Equal as far as both are precise: 1979 and 1979-03-28 do not contradict one another."""
    if left is None or right is None:
        return True
    a, b = date_of(left), date_of(right)
    size = min(len(a), len(b))
    return a[:size] == b[:size]


def _same_given(left: HumanName, right: HumanName) -> bool:
    """The birth lists when both have one (order counts: JEAN PAUL is not PAUL JEAN), else the first given names."""
    if left.birth_given and right.birth_given:
        return folded(left.birth_given) == folded(right.birth_given)
    if left.given and right.given:
        return folded(left.given[0]) == folded(right.given[0])
    return True


# --- other numbers --------------------------------------------------------------------------------------------------


def national_numbers(exchange: Exchange, _context: Context, _facts: Facts) -> Iterator[Issue]:
    """RPPS, FINESS and their kin end in a check digit; official samples break it, so it only warns. So does the matricule of a patient
    who is a recipient: an official sample has a wrong one, and whether mail can reach it is judged where mail is sent."""
    if exchange.sender is not None:
        yield from _party(exchange.sender, "sender")
    for position, party in enumerate(exchange.recipients, 1):
        yield from _party(party, f"recipients[{position}]")
    for number, document in enumerate(exchange.documents, 1):
        for position, party in enumerate(document.authors, 1):
            yield from _party(party, f"documents[{number}].authors[{position}]")
        if document.signer is not None:
            yield from _party(document.signer, f"documents[{number}].signer")
        if document.custodian is not None:
            yield from _checked(document.custodian.identifiers, f"documents[{number}].custodian")


def _party(party: Party, place: str) -> Iterator[Issue]:
    yield from _checked(party.identifiers, place)
    if party.organization is not None:
        yield from _checked(party.organization.identifiers, f"{place}.organization")


def _checked(identifiers: tuple[Identifier, ...], place: str) -> Iterator[Issue]:
    for position, each in enumerate(identifiers, 1):
        for issue in check(each, f"{place}.identifiers[{position}].value"):
            yield replace(issue, severity=min(issue.severity, Severity.WARNING))
