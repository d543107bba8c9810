"""The exchange that `make run` posts: an ordonnance sent as a document, with the three boxes ticked. Test identities only."""

from __future__ import annotations

from connector.demo.letter import letter
from connector.exchange.documents import Content, Document, Sharing
from connector.exchange.identifiers import INS_TEST, PS_IDNAT, STRUCT_IDNAT
from connector.exchange.model import Exchange
from connector.exchange.moments import Moment
from connector.exchange.people import Address, Concept, HumanName, Identifier, Organization, Party, Patient
from connector.monsisra.codec import dump

__all__ = ["demo_exchange"]

_HOUSE = Organization(
    name="Centre hospitalier de Démonstration",
    identifiers=(Identifier(value="630000404", system=STRUCT_IDNAT, kind="FINEG"),),
)
_DOCTOR = Party(
    identifiers=(Identifier(value="01234567897", system=PS_IDNAT, kind="RPPS"),),
    name=HumanName(use="usual", family="ESSAI", given=("Claire",), prefix="MME"),
    specialty=Concept(code="G15_10/SM26", system="1.2.250.1.213.1.1.4.5", display="Médecin - Qualifié en Médecine Générale (SM)"),
    organization=_HOUSE,
    mssante="claire.essai@test.mssante.fr",
)  # fmt: skip
_PATIENT = Patient(
    identifiers=(Identifier(value="279035121518989", system=INS_TEST, kind="INS"),),
    names=(HumanName(use="birth", family="PAT-TROIS", given=("DOMINIQUE",), birth_given="DOMINIQUE"),),
    birth_date=Moment("1979-03-28"),
    sex="female",
    birth_place=Address(insee="63220"),
    identity_status="validated",
)


def demo_exchange(now: Moment, name: str, document_id: str) -> bytes:
    """The exchange as JSON, under an id of its own, with one document of `now` under `document_id` (an OID)."""
    title = "Ordonnance de Mme PAT-TROIS"
    pdf = letter(title, ("Paracétamol 1 g : 1 comprimé toutes les 6 heures", "pendant 3 jours si douleur."))
    document = Document(
        id=document_id, set_id=document_id, version="1", title=title, created=now, language="fr-FR",
        confidentiality="N", status="final", authors=(_DOCTOR,), custodian=_HOUSE,
        type=Concept(code="57833-6", system="2.16.840.1.113883.6.1", display="Prescription de produits de santé"),
        content=Content(media_type="application/pdf", data=pdf),
    )  # fmt: skip
    colleague = Party(
        name=HumanName(use="usual", family="AILLEURS", given=("Paul",)), mssante="paul.ailleurs@test.mssante.fr"
    )
    return dump(
        Exchange(
            id=name, intent="submit", mode="document", origin="monsisra", patient=_PATIENT, sender=_DOCTOR,
            recipients=(colleague,), documents=(document,),
            sharing=Sharing(business_software=True, regional_record=True, ma_sante_connectee=True),
        )
    )  # fmt: skip
