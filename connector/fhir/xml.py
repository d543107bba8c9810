"""FHIR XML to plain dicts and back (R4 §2.6.1): the element tables say what is a list, a number or a boolean."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

import pybase64
from lxml import etree

from connector.fhir.codec import Resource
from connector.fhir.elements import Element, elements, is_resource
from connector.fhir.xhtml import NAMESPACE as XHTML
from connector.fhir.xhtml import parser
from connector.issues import Issue, IssueCode, Outcome, Severity

__all__ = ["dump_xml", "load_xml"]

FHIR = "http://hl7.org/fhir"
_DEEPEST = 60
_NSMAP: Any = {None: FHIR}  # lxml-stubs know no default namespace
#: Elements that XML writes as attributes.
_ATTRIBUTES = ("id", "url")


class _RefusedError(ValueError):
    """Why it is no FHIR XML; the words hold no value."""


def load_xml(raw: bytes) -> Outcome[Resource]:
    """Read one resource. FHIR_SYNTAX when it is not FHIR XML; a DOCTYPE is refused; never raises."""
    if b"<!DOCTYPE" in raw or b"<!ENTITY" in raw:
        return _refused("XML without DOCTYPE")
    try:
        return Outcome(_resource(etree.fromstring(raw, parser()), 0))
    except etree.XMLSyntaxError:
        return _refused("well-formed XML")
    except _RefusedError as error:
        return _refused(str(error))
    except (InvalidOperation, ValueError):
        return _refused("numbers and booleans where FHIR has them")


def _refused(expected: str) -> Outcome[Resource]:
    return Outcome(None, (Issue.of(Severity.FATAL, IssueCode.FHIR_SYNTAX, expected=expected),))


def _name(node: etree._Element) -> str:
    tag = str(node.tag)
    if not tag.startswith(f"{{{FHIR}}}"):
        raise _RefusedError(f"elements of {FHIR}")
    return tag[len(FHIR) + 2 :]


def _resource(node: etree._Element, depth: int) -> Resource:
    kind = _name(node)
    if not is_resource(kind):
        raise _RefusedError("a resource type of FHIR R4 that is carried here")
    return {"resourceType": kind, **_read(node, kind, depth)}


def _read(node: etree._Element, kind: str, depth: int) -> Resource:
    if depth > _DEEPEST:
        raise _RefusedError(f"at most {_DEEPEST} levels")
    known = elements(kind)
    made: Resource = {name: str(value) for name in _ATTRIBUTES if (value := node.get(name)) is not None}
    for child in node:
        if callable(child.tag):  # a comment or a processing instruction
            continue
        if child.tag == f"{{{XHTML}}}div":
            made["div"] = etree.tostring(child, encoding="unicode", with_tail=False)
            continue
        name = _name(child)
        found = known.get(name)
        if found is None:
            raise _RefusedError(f"elements of {kind} only")
        if found.primitive:
            _read_primitive(child, found, made)
            continue
        inner: Any = _inner(child, depth) if found.type == "Resource" else _read(child, found.type, depth + 1)
        if found.many:
            made.setdefault(name, []).append(inner)
        else:
            made[name] = inner
    return made


def _inner(node: etree._Element, depth: int) -> Resource:
    """The one resource inside `contained` or `entry.resource`."""
    found = [child for child in node if not callable(child.tag)]
    if len(found) != 1:
        raise _RefusedError("one resource in contained and resource")
    return _resource(found[0], depth + 1)


def _read_primitive(node: etree._Element, found: Element, made: Resource) -> None:
    """A value, and beside it what extends it (`_birthDate`)."""
    text = node.get("value")
    value = _parse(text, found.type) if text is not None else None
    extra = _read(node, "Element", 0) if len(node) or node.get("id") else None
    if not found.many:
        if value is not None:
            made[found.name] = value
        if extra:
            made[f"_{found.name}"] = extra
        return
    values = made.setdefault(found.name, [])
    values.append(value)
    extras = made.get(f"_{found.name}")
    if extra or extras is not None:
        extras = made.setdefault(f"_{found.name}", [None] * (len(values) - 1))
        extras.append(extra)


def _parse(text: str, kind: str) -> Any:
    if kind == "boolean":
        if text not in ("true", "false"):
            raise _RefusedError("true or false")
        return text == "true"
    if kind in ("integer", "unsignedInt", "positiveInt"):
        if len(text) > 12:
            raise _RefusedError("a whole number")
        return int(text)
    if kind == "decimal":
        if len(text) > 40:
            raise _RefusedError("a decimal")
        return Decimal(text)
    return text


def dump_xml(resource: Mapping[str, Any]) -> bytes:
    """Write FHIR XML, elements in the standard's order. KeyError when the type is not in the tables."""
    kind = resource["resourceType"]
    root = etree.Element(f"{{{FHIR}}}{kind}", nsmap=_NSMAP)
    _write(root, resource, kind)
    return etree.tostring(root, encoding="UTF-8", xml_declaration=True)


def _write(node: etree._Element, value: Mapping[str, Any], kind: str) -> None:
    for name in ("id", "url") if not is_resource(kind) else ():
        # Extension.url and element ids are attributes; a resource's id and Attachment.url are elements.
        if name in value and (name == "id" or kind == "Extension"):
            node.set(name, value[name])
    for found in elements(kind).values():
        if found.name in node.attrib:
            continue
        inner, extra = value.get(found.name), value.get(f"_{found.name}")
        if inner is None and extra is None:
            continue
        if not found.many:
            _write_one(node, found, inner, extra)
            continue
        values, extras = inner or [], extra or []
        for number in range(max(len(values), len(extras))):
            one = values[number] if number < len(values) else None
            _write_one(node, found, one, extras[number] if number < len(extras) else None)


def _write_one(node: etree._Element, found: Element, value: Any, extra: Mapping[str, Any] | None) -> None:
    if found.type == "xhtml":
        node.append(etree.fromstring(value.encode(), parser()))
        return
    child = etree.SubElement(node, f"{{{FHIR}}}{found.name}")
    if not found.primitive:
        if found.type == "Resource":
            inner = etree.SubElement(child, f"{{{FHIR}}}{value['resourceType']}")
            _write(inner, value, value["resourceType"])
        else:
            _write(child, value, found.type)
        return
    if extra is not None:
        if "id" in extra:
            child.set("id", extra["id"])
        for extension in extra.get("extension", ()):
            _write(etree.SubElement(child, f"{{{FHIR}}}extension"), extension, "Extension")
    if value is not None:
        child.set("value", _text(value))


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, bytes | memoryview):
        return pybase64.b64encode(value).decode("ascii")
    return str(value)
