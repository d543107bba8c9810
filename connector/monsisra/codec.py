"""The exchange profile's JSON ↔ Exchange: the model's own fields, strictly. Unknown and empty fields are refused with their place.

Bytes stand inline (`content.data`, base64) or, in a multipart form, in a part named by the document's `id` or by the content's `sha256`.
`size`, `sha1` and `sha256` are computed on reading; where they are given they must be true. `locate` leaves large ones where they stand.
"""

from __future__ import annotations

import base64
import binascii
import difflib
import hashlib
import re
import typing
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any, NamedTuple

import msgspec
from msgspec.structs import replace

from connector.exchange.content import Standing, each_content
from connector.exchange.documents import Content
from connector.exchange.model import Exchange
from connector.exchange.moments import from_iso
from connector.exchange.strict_json import JsonRefused
from connector.issues import Issue, IssueCode, Outcome, Place, Severity
from connector.mapping.exchange import fields
from connector.monsisra.multipart import PART, MultipartRefused, Part, is_multipart, split
from connector.monsisra.standing import LARGE, Span, bytes_at, described, encoded, read_apart, read_whole
from connector.monsisra.words import WORDS

__all__ = ["MEDIA_TYPE", "Located", "dump", "from_tree", "id_of", "locate", "parse", "pieces"]

MEDIA_TYPE = "application/vnd.monsisra.exchange+json"

_MOST_ISSUES = 50
_PRINTABLE = "U+0009, U+000A, U+000D, U+0020…"
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufffe\uffff]")
_AT = re.compile(r" - at `\$(.*)`$")
_INDEX = re.compile(r"\[(\d+)\]")
_MISSING = re.compile(r"Object missing required field `(\w+)`")
_EXPECTED = re.compile(r"Expected `(\w+)")
_TYPES = {"str": "string", "int": "integer", "bool": "true, false", "bytes": "base64"}


def dump(exchange: Exchange, *, attachments: bool = True) -> bytes:
    """Exchange → JSON for people: indented, absent values left out. Without `attachments` contents are told by size and hashes only."""
    if not attachments:
        exchange = each_content(exchange, lambda _, content, __: replace(_hashed(content), data=None))
    return msgspec.json.format(msgspec.json.encode(exchange), indent=2) + b"\n"


class Located(NamedTuple):
    """What was read, and by place where its large contents stand: those have their hashes, and no `data` unless it must be looked into."""

    outcome: Outcome[Exchange]
    standing: dict[str, Standing]


def pieces(exchange: Exchange) -> Iterator[bytes]:
    """What `dump` gives, piece by piece: the base64 of large contents is never there as a whole."""
    large: dict[bytes, bytes] = {}

    def mark(place: str, content: Content, _outer: Content | None) -> Content:
        if content.data is None or len(content.data) < LARGE:
            return content
        stands = hashlib.sha384(place.encode()).digest()
        large[base64.b64encode(stands)] = content.data
        return replace(content, data=stands)

    text = dump(each_content(exchange, mark))
    if not large:
        yield text
        return
    cut = re.split(b"(%s)" % b"|".join(map(re.escape, large)), text)
    if len(cut) != 2 * len(large) + 1:  # a content that has the bytes of a mark
        yield dump(exchange)
        return
    for number, piece in enumerate(cut):
        yield from encoded(large[piece]) if number % 2 else (piece,)


def parse(raw: bytes | memoryview) -> Outcome[Exchange]:
    """JSON, or a multipart form whose part `exchange` is JSON → Exchange with all its bytes. Never raises for what the bytes hold."""
    outcome, standing = locate(raw)
    if outcome.value is None or not standing:
        return outcome

    def fill(place: str, content: Content, _outer: Content | None) -> Content:
        if content.data is not None or place not in standing:
            return content
        return replace(content, data=bytes_at(raw, standing[place]))

    return replace(outcome, value=each_content(outcome.value, fill))


def locate(raw: bytes | memoryview) -> Located:
    """The same, large contents being left where they stand in the bytes."""
    try:
        parts = split(raw) if is_multipart(raw) else []
        whole = _only(parts) if parts else Part("", "", memoryview(raw), 0)
        tree, spans = read_apart(whole.data)
        apart = {place: span._replace(offset=span.offset + whole.offset) for place, span in spans.items()}
        located = _located(raw, tree, apart, parts)
        if apart and located.outcome.value is None:  # told as of the whole text, nothing taken out
            located = _located(raw, read_whole(whole.data), {}, parts)
    except (JsonRefused, MultipartRefused) as error:
        return Located(_unread(str(error)), {})
    return located


def _located(raw: bytes | memoryview, tree: Any, apart: Mapping[str, Span], parts: list[Part]) -> Located:
    read = from_tree(tree)
    if read.value is None:
        return Located(read, {})
    try:
        return _with_bytes(read.value, raw, apart, parts)
    except binascii.Error:  # only of what was taken out
        return Located(Outcome(None), {})


def from_tree(tree: Any) -> Outcome[Exchange]:
    """JSON that was read already → Exchange, its bytes not looked at."""
    if not isinstance(tree, dict):
        return _unread("one object")
    found = [issue for issue, _ in zip(_strange(tree, Exchange, ""), range(_MOST_ISSUES), strict=False)]
    if found:
        return Outcome(None, tuple(found))
    try:
        return Outcome(msgspec.convert(tree, Exchange))
    except msgspec.ValidationError as error:
        return Outcome(None, (_mistyped(str(error)),))


def id_of(raw: bytes | memoryview) -> str | None:
    """The id that the bytes give the exchange, whatever else is wrong with them; None when it cannot be found."""
    try:
        return msgspec.json.decode(_only(split(raw)).data if is_multipart(raw) else raw, type=_Named).id
    except (MultipartRefused, msgspec.DecodeError, UnicodeDecodeError):
        return None


class _Named(msgspec.Struct):
    id: str | None = None


def _only(parts: list[Part]) -> Part:
    found = [part for part in parts if part.name == PART]
    if len(found) != 1:
        raise MultipartRefused(f"one part named {PART}")
    return found[0]


def _unread(expected: str) -> Outcome[Exchange]:
    return Outcome(None, (Issue.of(Severity.FATAL, IssueCode.EXCHANGE_SYNTAX, "", expected=expected),))


# --- what may stand where --------------------------------------------------------------------------------------------


class _Field(NamedTuple):
    """What a field of a struct holds: the inner struct, or the check of a text that answers what was expected, "" when it is right."""

    struct: type[msgspec.Struct] | None
    many: bool
    wrong: Callable[[str], str]


@cache
def _plan(model: type[msgspec.Struct]) -> Mapping[str, _Field]:
    hints = typing.get_type_hints(model)
    return {
        name: _Field(field.type if field.struct else None, field.many, _check(model.__name__, name, str(hints[name])))
        for name, field in fields(model).items()
    }


def _check(model: str, name: str, hint: str) -> Callable[[str], str]:
    words = WORDS.get((model, name))
    if words is not None:
        allowed = frozenset(words)
        return lambda text: "" if text in allowed else ", ".join(words)
    if "Moment" in hint:
        return _wrong_moment
    if "bytes" in hint:
        return lambda _: ""
    return _wrong_text


def _wrong_moment(text: str) -> str:
    try:
        from_iso(text)
    except ValueError:
        return "YYYY[-MM[-DD[Thh:mm[:ss][±hh:mm]]]]"
    return ""


def _wrong_text(text: str) -> str:
    return _PRINTABLE if _CONTROL.search(text) else ""


def _strange(node: Mapping[str, Any], model: type[msgspec.Struct], path: str) -> Iterator[Issue]:
    """Unknown fields, empty texts, texts that their field cannot hold; what is of the wrong type is left to the conversion."""
    plan = _plan(model)
    for number, (name, value) in enumerate(node.items(), 1):
        field = plan.get(name)
        if field is None:
            near = difflib.get_close_matches(name, plan, 1) or list(plan)
            yield _wrong(IssueCode.EXCHANGE_FIELD, path, number=number, expected=", ".join(near))
            continue
        place = f"{path}.{name}" if path else name
        if not field.many:
            yield from _strange_item(value, field, place)
        elif isinstance(value, list):
            for index, item in enumerate(value, 1):
                yield from _strange_item(item, field, f"{place}[{index}]")


def _strange_item(value: Any, field: _Field, place: str) -> Iterator[Issue]:
    if value is None:
        yield _wrong(IssueCode.EXCHANGE_EMPTY, place)
    elif isinstance(value, dict) and field.struct is not None:
        yield from _strange(value, field.struct, place)
    elif isinstance(value, str):
        expected = field.wrong(value) if value else ""
        if not value:
            yield _wrong(IssueCode.EXCHANGE_EMPTY, place)
        elif expected:
            yield _wrong(IssueCode.EXCHANGE_VALUE, place, expected=expected)


def _mistyped(error: str) -> Issue:
    """msgspec names the place (from 0) and the type or field that it expected, never the value."""
    at = _AT.search(error)
    place = _INDEX.sub(lambda found: f"[{int(found[1]) + 1}]", at[1]).lstrip(".") if at else ""
    if missing := _MISSING.match(error):
        return _wrong(IssueCode.FIELD_MISSING, place, expected=missing[1])
    wanted = _EXPECTED.match(error)
    expected = _TYPES.get(wanted[1], wanted[1]) if wanted else "base64"
    return _wrong(IssueCode.EXCHANGE_VALUE, place, expected=expected)


def _wrong(code: IssueCode, place: str, /, **params: object) -> Issue:
    return Issue(Severity.ERROR, code.name, Place(place), {name: str(value) for name, value in params.items()})


# --- bytes -----------------------------------------------------------------------------------------------------------


def _with_bytes(exchange: Exchange, raw: bytes | memoryview, apart: Mapping[str, Span], parts: list[Part]) -> Located:
    """The contents with their bytes, from the parts or left where they stand, and with size and hashes computed. Raises binascii.Error."""
    issues: list[Issue] = []
    files = {part.name: part for part in parts if part.name != PART}
    if len(files) != len(parts) - bool(parts):
        issues.append(_wrong(IssueCode.EXCHANGE_PART, "", expected="each part name once"))
    owners = {f"documents[{n}].content": document.id for n, document in enumerate(exchange.documents, 1)}
    used: set[str] = set()
    standing: dict[str, Standing] = {}

    def fill(place: str, content: Content, _outer: Content | None) -> Content:
        span = apart.get(place)
        name = next((key for key in (content.sha256, owners.get(place)) if key in files), None)
        if name is not None and content.data is None and span is None:
            used.add(name)
            content = replace(content, media_type=content.media_type or files[name].media_type or None)
            span = Span(files[name].offset, len(files[name].data), plain=True)
        true = _hashed(content) if span is None else described(content, raw, span)
        if span is not None and span.length >= LARGE:
            standing[place] = Standing(true.sha256 or "", "", *span)
        for field in ("size", "sha1", "sha256"):
            given = getattr(content, field)
            if given is not None and given != getattr(true, field):
                issues.append(_wrong(IssueCode.EXCHANGE_HASH, f"{place}.{field}", expected=field))
        return true

    filled = each_content(exchange, fill)
    if files.keys() - used:
        issues.append(_wrong(IssueCode.EXCHANGE_PART, "", expected="documents[].id, content.sha256"))
    if issues or apart.keys() - standing.keys():
        return Located(Outcome(None, tuple(issues)), {})
    return Located(Outcome(filled), standing)


def _hashed(content: Content) -> Content:
    if content.data is None:
        return content
    return replace(
        content,
        size=len(content.data),
        sha1=hashlib.sha1(content.data, usedforsecurity=False).hexdigest(),
        sha256=hashlib.sha256(content.data).hexdigest(),
    )
