"""Document bytes in and out of an Exchange: they stand in the bytes that brought it, or the journal keeps them apart, found again by their SHA-256."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import TypeVar

import msgspec
from msgspec.structs import replace

from connector.exchange.clinical import Section
from connector.exchange.conversation import Message
from connector.exchange.documents import Content, Document
from connector.exchange.model import Exchange
from connector.exchange.results import Observation, Report

__all__ = ["Standing", "attach", "detach", "each_content"]

#: (place in the Exchange, content, the document's own content when this is its body) → the content to put there.
Change = Callable[[str, Content, Content | None], Content]
T = TypeVar("T")


class Standing(msgspec.Struct, frozen=True, array_like=True):
    """The bytes with this digest stand in `parent` (a digest; "" is the raw message) at `offset`, as base64 or (`plain`) as they are;
    `length` 0: a content of its own."""

    sha256: str
    parent: str = ""
    offset: int = 0
    length: int = 0
    plain: bool = False


def detach(exchange: Exchange) -> tuple[Exchange, dict[str, bytes]]:
    """The Exchange without the bytes of its documents, and the bytes by SHA-256 (hex). Nothing is copied; equal bytes are kept once."""
    kept: dict[str, bytes] = {}

    def without(_place: str, content: Content, _outer: Content | None) -> Content:
        if content.data is None:
            return content
        digest = content.sha256 or hashlib.sha256(content.data).hexdigest()
        kept.setdefault(digest, content.data)
        return replace(content, data=None, sha256=digest, size=len(content.data))

    return each_content(exchange, without), kept


def attach(exchange: Exchange, load: Callable[[str], bytes]) -> Exchange:
    """The Exchange with the bytes that `load` finds by SHA-256; what has bytes already, or no SHA-256, stays. Raises what `load` raises."""

    def with_data(_place: str, content: Content, _outer: Content | None) -> Content:
        if content.data is not None or content.sha256 is None:
            return content
        return replace(content, data=load(content.sha256))

    return each_content(exchange, with_data)


def each_content(exchange: Exchange, change: Change) -> Exchange:
    """The Exchange with every content changed: documents, their bodies and the files of their sections, photos, results that are bytes. The same object when nothing was."""
    documents = _each(exchange.documents, lambda number, document: _document(number, document, change))
    messages = _each(exchange.messages, lambda number, message: _message(number, message, change))
    reports = _each(exchange.reports, lambda number, report: _report(f"reports[{number}]", report, change))
    if documents is exchange.documents and messages is exchange.messages and reports is exchange.reports:
        return exchange
    return replace(exchange, documents=documents, messages=messages, reports=reports)


def _each(items: tuple[T, ...], change: Callable[[int, T], T]) -> tuple[T, ...]:
    changed = tuple([change(number, item) for number, item in enumerate(items, 1)])
    return items if all(new is old for new, old in zip(changed, items, strict=True)) else changed


def _document(number: int, document: Document, change: Change) -> Document:
    place, outer = f"documents[{number}]", document.content
    content = change(f"{place}.content", outer, None) if outer is not None else None
    body = change(f"{place}.body", document.body, outer) if document.body is not None else None
    sections = _sections(place, document.sections, change)
    if content is document.content and body is document.body and sections is document.sections:
        return document
    return replace(document, content=content, body=body, sections=sections)


def _sections(place: str, sections: tuple[Section, ...], change: Change) -> tuple[Section, ...]:
    return _each(sections, lambda number, section: _section(f"{place}.sections[{number}]", section, change))


def _section(place: str, section: Section, change: Change) -> Section:
    media = _each(section.media, lambda number, content: change(f"{place}.media[{number}]", content, None))
    results = _each(section.results, lambda number, report: _report(f"{place}.results[{number}]", report, change))
    signs = _each(section.vital_signs, lambda number, report: _report(f"{place}.vital_signs[{number}]", report, change))
    single = _observations(place, section.observations, change)
    inner = _sections(place, section.sections, change)
    made = replace(section, media=media, results=results, vital_signs=signs, observations=single, sections=inner)
    same = all(
        getattr(made, name) is getattr(section, name)
        for name in ("media", "results", "vital_signs", "observations", "sections")
    )
    return section if same else made


def _message(number: int, message: Message, change: Change) -> Message:
    if not message.photos:
        return message
    place = f"messages[{number}].photos"
    contents = [change(f"{place}[{n}].content", photo.content, None) for n, photo in enumerate(message.photos, 1)]
    if all(new is photo.content for new, photo in zip(contents, message.photos, strict=True)):
        return message
    photos = [replace(photo, content=new) for photo, new in zip(message.photos, contents, strict=True)]
    return replace(message, photos=tuple(photos))


def _report(place: str, report: Report, change: Change) -> Report:
    observations = _observations(place, report.observations, change)
    return report if observations is report.observations else replace(report, observations=observations)


def _observations(place: str, observations: tuple[Observation, ...], change: Change) -> tuple[Observation, ...]:
    return _each(observations, lambda number, each: _observation(f"{place}.observations[{number}]", each, change))


def _observation(place: str, observation: Observation, change: Change) -> Observation:
    if observation.content is None:
        return observation
    content = change(f"{place}.content", observation.content, None)
    return observation if content is observation.content else replace(observation, content=content)
