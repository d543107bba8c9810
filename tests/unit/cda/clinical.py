"""A structured document of our own: one section for each kind of entry, invented."""

from __future__ import annotations

from connector.exchange.clinical import (
    Allergy,
    Immunization,
    Medication,
    Problem,
    Procedure,
    Reaction,
    Section,
)
from connector.exchange.moments import Moment
from connector.exchange.people import Concept, HumanName, Identifier, Organization, Party, Period
from connector.exchange.results import Observation, Quantity, Range, Report, Specimen

LOINC, SNOMED, CIM10, CCAM = (
    "2.16.840.1.113883.6.1",
    "2.16.840.1.113883.6.96",
    "2.16.840.1.113883.6.3",
    "1.2.250.1.213.2.5",
)
UCUM, EDQM, CIS = "2.16.840.1.113883.6.8", "0.4.0.127.0.16.1.1.2.1", "1.2.250.1.213.2.3.1"
ACT, INTERPRETATION = "2.16.840.1.113883.5.4", "2.16.840.1.113883.5.83"
CONDITION_STATUS, CRITICALITY = "2.16.840.1.113883.4.642.4.1373", "2.16.840.1.113883.4.642.4.130"


def number(last: int) -> Identifier:
    """An id of an entry."""
    return Identifier(value=f"6F1C2B1E-6D0B-4E7C-9C0A-{last:012d}")


def quantity(value: str, unit: str) -> Quantity:
    """A number with a unit of UCUM."""
    return Quantity(value=value, unit=Concept(code=unit, system=UCUM))


DOCTOR = Party(
    time=Moment("2026-01-05T10:15+01:00"), identifiers=(Identifier(value="810000000001", system="1.2.250.1.71.4.2.1", kind="IDNPS"),),
    name=HumanName(family="SYNTH", given=("Claire",)), specialty=Concept(code="G15_10/SM26", system="1.2.250.1.213.1.1.4.5", display="Médecin généraliste"),
    organization=Organization(name="Maison de santé des Lilas"),
)  # fmt: skip


def div(rows: str) -> str:
    """A narrative: a table with these rows."""
    return f'<div xmlns="http://www.w3.org/1999/xhtml"><table><tbody>{rows}</tbody></table></div>'


PROBLEMS = Section(
    id=number(1), code=Concept(code="11450-4", system=LOINC, display="Liste des problèmes"), title="Problèmes actifs",
    templates=("2.16.840.1.113883.10.20.1.11", "1.3.6.1.4.1.19376.1.5.3.1.3.6", "1.2.250.1.213.1.1.2.132"),
    text=div('<tr><td><span id="p1">Asthme de l\'adulte</span></td><td><span id="p1c">Suivi régulier &amp; bien pris</span></td></tr>'),
    problems=(
        Problem(
            identifiers=(number(11),), concern=number(12), code=Concept(code="J45.0", system=CIM10, display="Asthme à prédominance allergique", text="Asthme de l'adulte"),
            category=Concept(code="282291009", system=SNOMED, display="interprétation diagnostique"), status="active",
            certainty=Concept(code="confirmed", system=CONDITION_STATUS, display="Confirmé"),
            severity=Concept(code="6736007", system=SNOMED, display="modéré"), period=Period(start=Moment("2012-05")), refuted=False,
            notes=("Suivi régulier & bien pris",),
        ),
        Problem(
            identifiers=(number(13),), text="Douleurs du genou droit", category=Concept(code="418799008", system=SNOMED, display="symptôme rapporté par le patient ou le répondant"),
            status="resolved", period=Period(start=Moment("2020"), end=Moment("2021-02-03")), refuted=False,
        ),
    ),
)  # fmt: skip
ALLERGIES = Section(
    id=number(2), code=Concept(code="48765-2", system=LOINC, display="Allergies et hypersensibilités"), title="Allergies",
    templates=("2.16.840.1.113883.10.20.1.2", "1.3.6.1.4.1.19376.1.5.3.1.3.13", "1.2.250.1.213.1.1.2.137"),
    text=div('<tr><td><span id="a1">Allergie médicamenteuse</span></td><td><span id="a1s">Amoxicilline</span></td><td><span id="a1r">Urticaire</span></td></tr>'),
    allergies=(
        Allergy(
            identifiers=(number(21),), concern=number(22), kind=Concept(code="416098002", system=SNOMED, display="allergie médicamenteuse"),
            substance=Concept(code="372687004", system=SNOMED, display="amoxicilline", text="Amoxicilline"), status="active",
            certainty=Concept(code="confirmed", system=CONDITION_STATUS, display="Confirmé"), criticality=Concept(code="low", system=CRITICALITY, display="Bas"),
            period=Period(start=Moment("2015-06-03")), refuted=False,
            reactions=(
                Reaction(
                    manifestation=Concept(code="L50.0", system=CIM10, display="Urticaire allergique", text="Urticaire"), period=Period(start=Moment("2015-06-03")),
                    severity=Concept(code="255604002", system=SNOMED, display="léger"),
                ),
            ),
            notes=("Retrouvée à l'interrogatoire",),
        ),
    ),
)  # fmt: skip
MEDICATIONS = Section(
    id=number(3), code=Concept(code="10160-0", system=LOINC, display="Traitements"), title="Traitements",
    templates=("2.16.840.1.113883.10.20.1.8", "1.3.6.1.4.1.19376.1.5.3.1.3.19", "1.2.250.1.213.1.1.2.143"),
    text=div('<tr><td><span id="m1">Salbutamol 100 µg</span></td><td><span id="m1i">Une bouffée en cas de gêne</span></td></tr>'),
    medications=(
        Medication(
            identifiers=(number(31),), category=Concept(code="DRUG", system=ACT, display="Médicament"), status="unknown",
            product=Concept(code="60000001", system=CIS, display="SALBUTAMOL 100 microgrammes", text="Salbutamol 100 µg"),
            period=Period(start=Moment("2026-01-05"), end=Moment("2026-02-05")), every=quantity("4", "h"), dose=quantity("1", "{puff}"), dose_high=quantity("2", "{puff}"),
            most=quantity("8", "/d"), route=Concept(code="20020000", system=EDQM, display="Voie inhalée"),
            reason=Concept(code="J45.0", system=CIM10, display="Asthme à prédominance allergique"), instructions="Une bouffée en cas de gêne",
            notes=("À revoir dans un mois",),
        ),
    ),
)  # fmt: skip
IMMUNIZATIONS = Section(
    id=number(4), code=Concept(code="11369-6", system=LOINC, display="Historique des vaccinations"), title="Vaccinations",
    templates=("2.16.840.1.113883.10.20.1.6", "1.3.6.1.4.1.19376.1.5.3.1.3.23", "1.2.250.1.213.1.1.2.147"),
    text=div('<tr><td>2024</td><td><span id="v1">Vaccin grippal</span></td></tr>'),
    immunizations=(
        Immunization(
            identifiers=(number(41),), category=Concept(code="BOOSTER", system=ACT, display="Rappel"), status="completed", not_given=False,
            vaccine=Concept(code="60000002", system=CIS, display="VACCIN GRIPPAL, suspension injectable", text="Vaccin grippal"), given=Moment("2024-10-12"),
            lot="LOT-7", dose=quantity("0.5", "mL"), number="3", route=Concept(code="20035000", system=EDQM, display="Voie intramusculaire"),
            site=Concept(code="16217701000119102", system=SNOMED, display="deltoïde gauche"), performer=DOCTOR,
            reactions=(Reaction(manifestation=Concept(code="R50.9", system=CIM10, display="Fièvre, sans précision"), period=Period(start=Moment("2024-10-13"))),),
            notes=("Bien toléré",),
        ),
    ),
)  # fmt: skip
PROCEDURES = Section(
    id=number(5), code=Concept(code="47519-4", system=LOINC, display="Historique des actes"), title="Historique des actes",
    templates=("1.3.6.1.4.1.19376.1.5.3.1.3.12", "1.3.6.1.4.1.19376.1.5.3.1.3.11", "2.16.840.1.113883.10.20.1.12", "1.2.250.1.213.1.1.2.136"),
    text=div('<tr><td><span id="x1">Appendicectomie</span></td></tr>'),
    procedures=(
        Procedure(
            identifiers=(number(51),), code=Concept(code="HHFA016", system=CCAM, display="Appendicectomie, par cœlioscopie", text="Appendicectomie"),
            status="completed", period=Period(start=Moment("2001-03-04"), end=Moment("2001-03-05")),
            sites=(Concept(code="66754008", system=SNOMED, display="appendice"),), reason=Concept(code="K35.8", system=CIM10, display="Appendicites aigües, autres et sans précision"),
            performers=(DOCTOR,), notes=("Sans complication",),
        ),
    ),
)  # fmt: skip
VITAL_SIGNS = Section(
    id=number(6), code=Concept(code="8716-3", system=LOINC, display="Signes vitaux"), title="Signes vitaux",
    templates=("2.16.840.1.113883.10.20.1.16", "1.3.6.1.4.1.19376.1.5.3.1.3.25", "1.3.6.1.4.1.19376.1.5.3.1.1.5.3.2", "1.2.250.1.213.1.1.2.149"),
    text=div('<tr><td><span id="w1">Poids</span></td><td>61.0 kg</td></tr><tr><td><span id="w2">Taille</span></td><td>1.68 m</td></tr>'),
    vital_signs=(
        Report(
            filler=number(61), code=Concept(code="85353-1", system=LOINC, display="Signes vitaux"), status="final", collected=Period(start=Moment("2026-01-05T10:00+01:00")),
            observations=(
                Observation(identifiers=(number(62),), code=Concept(code="29463-7", system=LOINC, display="Poids"), quantity=quantity("61.0", "kg"), status="final", observed=Moment("2026-01-05T10:00+01:00")),
                Observation(identifiers=(number(63),), code=Concept(code="8302-2", system=LOINC, display="Taille"), quantity=quantity("1.68", "m"), status="final", observed=Moment("2026-01-05T10:00+01:00")),
            ),
        ),
    ),
)  # fmt: skip
BIOLOGY = Section(
    code=Concept(code="18719-5", system=LOINC, display="Biochimie"), title="Biochimie", templates=("1.3.6.1.4.1.19376.1.3.3.2.2", "1.2.250.1.213.1.1.2.71"),
    text=div('<tr><td><span id="b1">Glycémie à jeun</span></td><td>4.89 mmol/L</td></tr>'),
    results=(
        Report(
            code=Concept(code="18719-5", system=LOINC, display="Biochimie"), status="final",
            specimen=Specimen(
                identifiers=(number(71),), type=Concept(code="119297000", system=SNOMED, display="échantillon de sang"),
                collected=Period(start=Moment("2026-01-05T08:00+01:00")), received=Moment("2026-01-05T09:00+01:00"),
            ),
            observations=(
                Observation(
                    code=Concept(code="40193-5", system=LOINC, display="Glucose à jeun [Moles/Volume] Sérum/Plasma ; Numérique", text="Glycémie à jeun"),
                    quantity=quantity("4.89", "mmol/L"), reference=Range(low="3.89", high="6.05"), interpretation=(Concept(code="N", system=INTERPRETATION, display="Normal"),),
                    status="final", observed=Moment("2026-01-05T11:00+01:00"),
                ),
                Observation(
                    identifiers=(number(72),), code=Concept(code="30522-7", system=LOINC, display="CRP"), quantity=Quantity(value="5", comparator="<", unit=Concept(code="mg/L", system=UCUM)),
                    status="final", observed=Moment("2026-01-05T11:00+01:00"), notes=("Seuil de la technique",),
                ),
            ),
            notes=("Échantillon conforme",),
        ),
    ),
)  # fmt: skip
RESULTS = Section(
    id=number(7), code=Concept(code="30954-2", system=LOINC, display="Résultats d'examens"), title="Résultats",
    templates=("2.16.840.1.113883.10.20.1.14", "1.3.6.1.4.1.19376.1.5.3.1.3.27", "1.3.6.1.4.1.19376.1.5.3.1.3.28", "1.2.250.1.213.1.1.2.152"),
    text=div('<tr><td><span id="r1">Spirométrie</span></td></tr>'),
    procedures=(
        Procedure(
            identifiers=(number(75),), code=Concept(code="GLQP012", system=CCAM, display="Mesure de la capacité vitale", text="Spirométrie"), status="completed",
            period=Period(start=Moment("2025-12-01")),
        ),
    ),
    observations=(
        Observation(
            identifiers=(number(73),), code=Concept(code="GLQP012", system=CCAM, display="Mesure de la capacité vitale"), coded=(Concept(code="17621005", system=SNOMED, display="normal"),),
            status="final", observed=Moment("2025-12-01"),
        ),
        Observation(identifiers=(number(74),), code=Concept(code="30973-0", system=LOINC, display="Tabac"), boolean=False, status="final", observed=Moment("2025-12-01")),
    ),
)  # fmt: skip

#: The seven kinds.
SECTIONS = (PROBLEMS, ALLERGIES, MEDICATIONS, IMMUNIZATIONS, PROCEDURES, VITAL_SIGNS, RESULTS)
