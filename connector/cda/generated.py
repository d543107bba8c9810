"""A narrative for a section that has entries and no text: every entry must be readable. A table, one line an entry, each with an id."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from connector.cda.strucdoc import XHTML
from connector.exchange.clinical import Section
from connector.exchange.moments import Moment
from connector.exchange.people import Concept
from connector.exchange.results import Observation, Quantity, Range, Report

__all__ = ["narrative"]


def narrative(section: Section, number: int) -> str:
    """The XHTML div; `number` is the section's, so that ids stand once in a document."""
    rows = list(_rows(section))
    if not rows:
        return f'<div xmlns="{XHTML}"/>'
    lines = "".join(
        f'<tr><td>{escape(day)}</td><td><span id="e{number}-{row}">{escape(said)}</span></td><td>{escape(more)}</td></tr>'
        for row, (day, said, more) in enumerate(rows, 1)
    )
    head = "<thead><tr><th>Date</th><th>Libellé</th><th>Valeur</th></tr></thead>"
    return f'<div xmlns="{XHTML}"><table>{head}<tbody>{lines}</tbody></table></div>'


def _rows(section: Section) -> Iterator[tuple[str, str, str]]:
    for problem in section.problems:
        start = problem.period.start if problem.period else None
        yield _day(start), _said(problem.code, problem.text), "absence de" if problem.refuted else ""
    for allergy in section.allergies:
        reactions = ", ".join(_said(each.manifestation, each.text) for each in allergy.reactions)
        start = allergy.period.start if allergy.period else None
        yield (
            _day(start),
            _said(allergy.substance or allergy.code, allergy.text),
            "absence de" if allergy.refuted else reactions,
        )
    for drug in section.medications:
        dose = _quantity(drug.dose) + (f" / {_quantity(drug.every)}" if drug.every else "")
        start = drug.period.start if drug.period else None
        yield _day(start), _said(drug.product, drug.text), "non pris" if drug.not_taken else drug.instructions or dose
    for vaccine in section.immunizations:
        yield (
            _day(vaccine.given),
            _said(vaccine.vaccine, vaccine.text),
            "non administré" if vaccine.not_given else vaccine.number or "",
        )
    for act in section.procedures:
        start = act.period.start if act.period else None
        yield _day(start), _said(act.code, act.text), "non réalisé" if act.not_done else ""
    for report in (*section.results, *section.vital_signs):
        yield from _report(report)
    yield from map(_observation, section.observations)


def _report(report: Report) -> Iterator[tuple[str, str, str]]:
    yield (
        _day(report.issued or (report.collected.start if report.collected else None)),
        _said(report.code or report.category, None),
        "",
    )
    yield from map(_observation, report.observations)


def _observation(observation: Observation) -> tuple[str, str, str]:
    value = (
        _quantity(observation.quantity) or ", ".join(_said(each, None) for each in observation.coded) or observation.text
        or _range(observation.range) or _day(observation.moment)
    )  # fmt: skip
    if observation.boolean is not None:
        value = "oui" if observation.boolean else "non"
    return _day(observation.observed), _said(observation.code, None), value


def _said(concept: Concept | None, text: str | None) -> str:
    if concept is None:
        return text or "Non précisé"
    return concept.text or concept.display or concept.code


def _day(moment: Moment | None) -> str:
    return "/".join(reversed(moment[:10].split("-"))) if moment else ""


def _quantity(quantity: Quantity | None) -> str:
    if quantity is None or quantity.value is None:
        return ""
    unit = f" {quantity.unit.display or quantity.unit.code}" if quantity.unit else ""
    return f"{quantity.comparator or ''}{quantity.value}{unit}"


def _range(found: Range | None) -> str:
    return f"{found.low} - {found.high}" if found is not None and found.low and found.high else ""
