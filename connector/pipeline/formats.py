"""The one table of formats: how bytes become a tree, which mapping answers for it, and how a tree becomes bytes again.

A new format is one package with codec, datatypes and shape, and one line in `FORMATS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from connector.cda import codec as cda_codec
from connector.cda.shape import SHAPE as CDA_SHAPE
from connector.exchange.model import Exchange
from connector.fhir import bundle as fhir_bundle
from connector.fhir import codec as fhir_codec
from connector.fhir import incoming as fhir_incoming
from connector.fhir.codec import Resource
from connector.fhir.composition import has_composition
from connector.fhir.shape import FhirShape
from connector.hl7 import codec as hl7_codec
from connector.hl7 import requests
from connector.hl7.message import Message
from connector.hl7.shape import Hl7Shape
from connector.hprim import codec as hprim_codec
from connector.hprim.shape import SHAPE as HPRIM_SHAPE
from connector.issues import Outcome
from connector.mapping.language import Run, Shape
from connector.monsisra.codec import dump as exchange_bytes
from connector.monsisra.codec import locate as exchange_locate
from connector.monsisra.codec import parse as exchange_parse
from connector.pipeline import letters, messages

__all__ = ["FORMATS", "SHAPES", "Claim", "Format", "detect", "exchange_bytes", "exchange_locate", "exchange_parse"]


class Claim(NamedTuple):
    """What a tree says that it is; the catalogue finds the mapping by it."""

    type: str
    version: str = ""
    profile: str = ""


class Format(NamedTuple):
    """A format. `target` also takes the options of the destination (`connector.pipeline.messages`). `claim` None: trees of this format have one mapping, of the name `mapping`; `assemble` and `take_apart` None: no table is exceeded."""

    name: str
    media_type: str
    shape: Shape
    parse: Callable[[bytes], Outcome[Any]]
    serialise: Callable[[Any], bytes]
    claim: Callable[[Any], Claim]
    target: Callable[[Exchange, Mapping[str, str]], Claim]
    take_apart: Callable[[Any, Run], Any] | None = None
    assemble: Callable[[Any, Exchange, Run], Any] | None = None


# --- HL7 v2


def _hl7_claim(message: Message) -> Claim:
    """MSH-9 as `MDM^T02`, MSH-12.1, MSH-21.2 (or what stands in MSH-21 when it has no components)."""
    msh = message.segments[0]
    type_, event = msh.text(9), msh.text(9, 2)
    return Claim(f"{type_}^{event}" if event else type_, msh.text(12), msh.text(21, 2) or msh.text(21))


def _hl7_target(exchange: Exchange, options: Mapping[str, str]) -> Claim:
    """The message that says this Exchange, as the destination asks for it."""
    return Claim(*messages.target(exchange, options))


def _hl7_assemble(message: Message, _exchange: Exchange, run: Run) -> Message:
    """Observations of a téléexpertise get their sub-ids and status."""
    if message.get("MSH-21.2") in (requests.TELEEXPERTISE, requests.REFERRAL):
        for number in requests.numbered(message):
            run.derived(f"OBX[{number}]-4", (), "connector/hl7/requests.py")
        for number in range(1, len(message.all("OBX")) + 1):
            run.derived(f"OBX[{number}]-11", (), "connector/hl7/requests.py")
    return message


# --- FHIR


def _fhir_claim(tree: Resource) -> Claim:
    """A Bundle that holds a Composition is clinical."""
    return Claim("Bundle", profile="clinical" if has_composition(tree) else "")


def _fhir_target(exchange: Exchange, options: Mapping[str, str]) -> Claim:
    """A Bundle with Compositions when a FHIR document is asked for, or sections and there are some."""
    sections = options.get("sections") == "true" and any(each.sections for each in exchange.documents)
    return Claim("Bundle", profile="clinical" if sections or options.get("shape") == "document" else "")


# --- CDA


def _cda_parse(raw: bytes) -> Outcome[Any]:
    return cda_codec.parse(raw)


_HL7 = Hl7Shape()
_FHIR = FhirShape()

#: The shapes by side, for the compiler of mappings.
SHAPES: Mapping[str, Shape] = {"hl7": _HL7, "fhir": _FHIR, "cda": CDA_SHAPE, "hprim": HPRIM_SHAPE}

FORMATS: Mapping[str, Format] = {
    format_.name: format_
    for format_ in (
        Format("hl7", "x-application/hl7-v2+er7", _HL7, hl7_codec.parse, hl7_codec.serialise, _hl7_claim, _hl7_target, None, _hl7_assemble),
        Format(
            "fhir", "application/fhir+json", _FHIR, fhir_incoming.parse, fhir_codec.dump, _fhir_claim, _fhir_target,
            fhir_bundle.take_apart, fhir_bundle.assemble,
        ),
        Format("cda", "text/xml", CDA_SHAPE, _cda_parse, lambda tree: bytes(tree.raw), lambda _: Claim("ClinicalDocument"), lambda *_: Claim("ClinicalDocument")),
        Format(
            "hprim", "text/plain; charset=windows-1252", HPRIM_SHAPE, hprim_codec.parse, hprim_codec.serialise, lambda _: Claim("Letter"),
            lambda *_: Claim("Letter"), None, letters.assemble,
        ),
    )
}  # fmt: skip


def detect(raw: bytes) -> str | None:
    """The format that these bytes look like: hl7, cda, fhir, hprim or exchange; None when they look like none."""
    head = raw[:4096].lstrip(b"\xef\xbb\xbf\x0b \t\r\n")
    if head[:3] in (b"MSH", b"FHS", b"BHS"):
        return "hl7"
    if head[:1] == b"<":
        return "fhir" if b"http://hl7.org/fhir" in head and b"urn:hl7-org:v3" not in head else "cda"
    if head[:1] == b"{":
        return "fhir" if b'"resourceType"' in raw[:65536] else "exchange"
    return "hprim" if b"****FIN" in raw or b"*\x00*\x00*\x00*\x00F\x00I\x00N" in raw else None
