"""Authors as other formats want them: HL7 v2 carries neither role nor specialty, XDS, CDA and PDSm require one (JDV_J01).

What the message lacks comes from the site's settings and is told as such, never as the author's own word.
"""

from __future__ import annotations

from msgspec.structs import replace

from connector.exchange.model import Exchange
from connector.exchange.people import Concept, Party
from connector.mapping.language import Run

__all__ = ["SETTING", "with_specialties", "with_systems"]

#: Where `explain` and the provenance say that it comes from.
SETTING = "settings: identity.author_specialty"
_BY = "connector/pipeline/authors.py"


def with_specialties(exchange: Exchange, run: Run) -> Exchange:
    """The Exchange whose authors without specialty have the one that the site's settings name (option `author_specialty`)."""
    code = run.context.options.get("author_specialty", "")
    if not code or run.context.table is None:
        return exchange
    said = run.context.table("author-specialties").from_exchange("exchange", code)
    given = Concept(code=code, system=said.system, display=said.display) if said is not None else Concept(code=code)
    documents = []
    for number, document in enumerate(exchange.documents, 1):
        authors = []
        for position, author in enumerate(document.authors, 1):
            if _is_without(author):
                run.derived(f"documents[{number}].authors[{position}].specialty", (), SETTING)
                author = replace(author, specialty=given)
            authors.append(author)
        documents.append(replace(document, authors=tuple(authors)) if authors else document)
    return replace(exchange, documents=tuple(documents))


def with_systems(exchange: Exchange, run: Run) -> Exchange:
    """The Exchange whose authors that are systems have their numbers as systems, where FHIR has a Device: a CDA says them of the author."""
    documents = []
    for number, document in enumerate(exchange.documents, 1):
        authors = []
        for position, author in enumerate(document.authors, 1):
            if author.device is not None and author.identifiers and not author.device.identifiers:
                place = f"documents[{number}].authors[{position}]"
                run.derived(f"{place}.device.identifiers", (f"{place}.identifiers",), _BY)
                author = replace(author, device=replace(author.device, identifiers=author.identifiers))
            authors.append(author)
        documents.append(replace(document, authors=tuple(authors)) if authors else document)
    return replace(exchange, documents=tuple(documents))


def _is_without(author: Party) -> bool:
    return author.specialty is None and author.device is None and (author.name is not None or bool(author.identifiers))
