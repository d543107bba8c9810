"""Datatypes of HL7 v2 as read/write pairs; `DATATYPES` finds them by the name that a rule says after `as`.

What a pair does not read shows as unread at its place. The explicit null `""` of a whole value reads as `ERASE`; inside a composite it
is an absent part.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from connector.exchange.care import Place
from connector.exchange.documents import Content
from connector.exchange.moments import Moment
from connector.exchange.people import (
    Address,
    Concept,
    HumanName,
    Identifier,
    Organization,
    Party,
    Period,
    Telecom,
)
from connector.exchange.results import Range
from connector.hl7.datatypes import encapsulated, identifiers, people, results, values
from connector.mapping.language import Datatype

__all__ = ["DATATYPES"]

_Pair = tuple[Callable[..., Any], Callable[..., Any], Any]

_NODES: dict[str, _Pair] = {
    "cx": (identifiers.read_cx, identifiers.write_cx, Identifier),
    "hd": (identifiers.read_hd, identifiers.write_hd, Identifier),
    "ei": (identifiers.read_ei, identifiers.write_ei, Identifier),
    "document-id": (identifiers.read_document_id, identifiers.write_document_id, str),
    "xcn-id": (identifiers.read_xcn_id, identifiers.write_xcn_id, Identifier),
    "xon-id": (identifiers.read_xon_id, identifiers.write_xon_id, Identifier),
    "pln": (identifiers.read_pln, identifiers.write_pln, Identifier),
    "xpn": (people.read_xpn, people.write_xpn, HumanName),
    "xcn-name": (people.read_xcn_name, people.write_xcn_name, HumanName),
    "xcn": (people.read_xcn, people.write_xcn, Party),
    "ndl": (people.read_ndl, people.write_ndl, Party),
    "xon": (people.read_xon, people.write_xon, Organization),
    "xad": (people.read_xad, people.write_xad, Address),
    "xtn": (people.read_xtn, people.write_xtn, Telecom),
    "pl": (people.read_pl, people.write_pl, Place),
    "cwe": (values.read_cwe, values.write_cwe, Concept),
    "ce": (values.read_cwe, values.write_cwe, Concept),
    "cne": (values.read_cwe, values.write_cwe, Concept),
    "interpretation": (results.read_interpretation, results.write_interpretation, Concept),
    "reference-range": (results.read_reference_range, results.write_reference_range, Range),
    "sn-text": (results.read_sn_text, results.write_sn_text, str),
    "dr": (values.read_dr, values.write_dr, Period),
    "ft": (values.read_ft, values.write_ft, str),
    "tx": (values.read_ft, values.write_ft, str),
    "vid": (values.read_vid, values.write_vid, str),
    "ed": (encapsulated.read_ed, encapsulated.write_ed, Content),
    "ed-2.5": (encapsulated.read_ed, encapsulated.write_ed_v25, Content),
    "ed-text": (encapsulated.read_ed_text, encapsulated.write_ed_text, str),
    "ed-text-2.5": (encapsulated.read_ed_text, encapsulated.write_ed_text_v25, str),
}
_LEAVES: dict[str, _Pair] = {
    "st": (values.read_text, values.write_text, str),
    "id": (values.read_text, values.write_text, str),
    "is": (values.read_text, values.write_text, str),
    "pt": (values.read_text, values.write_text, str),
    "dtm": (values.read_dtm, values.write_dtm, Moment),
    "ts": (values.read_dtm, values.write_dtm, Moment),
    "dt": (values.read_dt, values.write_dt, Moment),
    "nm": (values.read_nm, values.write_nm, str),
    "si": (values.read_si, values.write_si, int),
    "yes-no": (values.read_yes_no, values.write_yes_no, bool),
    "base64": (encapsulated.read_base64, encapsulated.write_base64, bytes),
}

#: name → pair. `ed-2.5` and `ed-text-2.5` write the words of table 0191 where `ed` and `ed-text` write MIME words.
DATATYPES: dict[str, Datatype] = {
    name: Datatype(name=name, read=read, write=write, node=node, value=value)
    for node, pairs in ((True, _NODES), (False, _LEAVES))
    for name, (read, write, value) in pairs.items()
}
