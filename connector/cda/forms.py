"""What never varies in the entries that we write: templates (IHE PCC, XD-LAB and their twins of the CI-SIS), labels of fixed codes,
completed acts, ids, and the links between an entry and the narrative.

A text that the narrative holds under an ID is a reference to it, any other stands in the entry beside a reference to the whole narrative.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from connector.cda.strucdoc import Narrative
from connector.cda.tree import Element

__all__ = ["FORMS", "Form", "dress"]

_PCC = "1.3.6.1.4.1.19376.1.5.3.1.4."
_CCD = "2.16.840.1.113883.10.20.1."
_LAB = "1.3.6.1.4.1.19376.1.3.1"
_FR = "1.2.250.1.213.1.1.3."
_LOINC, _SNOMED, _ACT, _IHE = (
    "2.16.840.1.113883.6.1",
    "2.16.840.1.113883.6.96",
    "2.16.840.1.113883.5.4",
    "1.3.6.1.4.1.19376.1.5.3.2",
)


_NONE: Mapping[str, str] = {}


class Form(NamedTuple):
    """The form of one act: templates; attributes; system and label of its fixed code; what it must hold."""

    templates: tuple[str, ...] = ()
    attributes: Mapping[str, str] = _NONE
    code: Mapping[str, str] = _NONE
    needs: tuple[str, ...] = ("text", "statusCode", "effectiveTime")


_OBS = {"classCode": "OBS", "moodCode": "EVN"}
_ACTION = {"classCode": "ACT", "moodCode": "EVN"}
_DRUG = {"classCode": "SBADM", "moodCode": "EVN"}
_CONCERN = (_CCD + "27", _PCC + "5.1")
_SYMPTOM = {"codeSystem": "2.16.840.1.113883.6.96", "displayName": "symptôme rapporté par le patient ou le répondant"}
_SIMPLE = (_PCC + "13", _FR + "48")

#: By the kind of an entry, and by the code (or the relation) of what stands inside one.
FORMS: dict[str, Form] = {
    "problem-concern": Form((*_CONCERN, _PCC + "5.2", _FR + "39"), _ACTION, needs=()),
    "allergy-concern": Form((*_CONCERN, _PCC + "5.3", _FR + "40"), _ACTION, needs=()),
    "problem": Form(
        (_CCD + "28", _PCC + "5", _FR + "37"), _OBS, {}, ("text", "statusCode", "effectiveTime", "value"),
    ),
    "allergy": Form(
        (_CCD + "18", _CCD + "28", _PCC + "5", _PCC + "6", _FR + "41"), _OBS, {},
        ("text", "statusCode", "effectiveTime", "value"),
    ),
    "medication": Form(
        (_CCD + "24", _PCC + "7", _FR + "42", _PCC + "7.1"), _DRUG, {},
        ("text", "statusCode"),
    ),
    "immunization": Form(
        (_CCD + "24", _PCC + "12", _FR + "45"), _DRUG, {},
        ("text", "statusCode", "effectiveTime"),
    ),
    "procedure": Form((_PCC + "19", _CCD + "29", _FR + "62"), {"classCode": "PROC", "moodCode": "EVN"}, needs=("text", "statusCode")),
    "vital-signs": Form(
        (_CCD + "32", _CCD + "35", _PCC + "13.1", _FR + "49"), {"classCode": "CLUSTER", "moodCode": "EVN"},
        _NONE, ("statusCode", "effectiveTime"),
    ),
    "vital-sign": Form((_CCD + "31", _PCC + "13", _PCC + "13.2", _FR + "50"), _OBS),
    "observation": Form(_SIMPLE, _OBS),
    "laboratory": Form((), _ACTION, needs=("statusCode",)),
    "battery": Form((_LAB + ".4", _FR + "78"), {"classCode": "BATTERY", "moodCode": "EVN"}, needs=("statusCode",)),
    "result": Form((_LAB + ".6", _FR + "80"), _OBS, needs=("statusCode", "effectiveTime")),
    "specimen": Form((_LAB + ".2", _FR + "77"), {"classCode": "PROC", "moodCode": "EVN"}, needs=()),
    "product": Form((_CCD + "53", _PCC + "7.2", _FR + "43"), {}, needs=()),
    "validator": Form(("1.3.6.1.4.1.19376.1.3.3.1.5", _FR + "109"), {}, needs=()),
    "MFST": Form((_CCD + "28", _PCC + "5", _CCD + "54", _FR + "37"), _OBS, _SYMPTOM, ("text", "statusCode", "effectiveTime", "value")),
    "CAUS": Form((_CCD + "28", _PCC + "5", _CCD + "54", _FR + "37"), _OBS, _SYMPTOM, ("text", "statusCode", "effectiveTime", "value")),
    "RSON": Form((_PCC + "4.1", _FR + "36"), _ACTION, needs=()),
    "SEV": Form((_CCD + "55", _PCC + "1", _FR + "29"), _OBS, {"codeSystem": _ACT, "displayName": "Sévérité"}, ("text", "statusCode")),
    "66455-7": Form((_FR + "171", *_SIMPLE), _OBS, {"codeSystem": _LOINC, "displayName": "Certitude"}),
    "82606-5": Form((_FR + "172", *_SIMPLE), _OBS, {"codeSystem": _LOINC, "displayName": "Criticité"}),
    "30973-2": Form((_CCD + "46", _FR + "82"), _OBS, {"codeSystem": _LOINC, "displayName": "Rang de la vaccination"}, ("statusCode",)),
    "48767-8": Form((_CCD + "40", _PCC + "2", _FR + "32"), _ACTION, {"codeSystem": _LOINC, "displayName": "Commentaire"}, ("text", "statusCode")),
    "PINSTRUCT": Form(
        (_CCD + "49", _PCC + "3", _FR + "33"), {"classCode": "ACT", "moodCode": "INT"},
        {"codeSystem": _IHE, "displayName": "Instructions au patient"}, ("text", "statusCode"),
    ),
    "SPRECEIVE": Form((_LAB + ".3", _FR + "107"), _ACTION, {"codeSystem": _IHE, "displayName": "Échantillon reçu"}, ()),
}  # fmt: skip
_RELATED = {"inversionInd": "true", "typeCode": "SUBJ"}
#: How a relation stands to its entry, where the mapping does not say it.
_RELATIONS = {
    "SEV": _RELATED, "66455-7": _RELATED, "82606-5": _RELATED, "48767-8": _RELATED, "PINSTRUCT": _RELATED,
    "30973-2": {"typeCode": "SUBJ"}, "MFST": {"inversionInd": "true"}, "CAUS": {"inversionInd": "false"},
}  # fmt: skip
_ACTS = frozenset(("observation", "act", "procedure", "organizer", "substanceAdministration"))


class _Dresser(NamedTuple):
    """One entry under way, with the narrative of its section."""

    narrative: Narrative

    def dress(self, node: Element, kind: str) -> None:
        """Give an act of a kind its form, and what stands inside theirs."""
        form = FORMS[kind]
        node.attributes = {**form.attributes, **node.attributes}
        node.children[:0] = [Element("templateId", {"root": root}) for root in form.templates]
        code = node.find("code")
        self.linked(node)
        if code is not None and form.code:
            code.attributes.update(form.code)
            code.children.clear()
        self.completed(node, form.needs)
        for child in node.children:
            self.inside(child, kind)

    def inside(self, node: Element, kind: str) -> None:
        """The parts of an entry."""
        if node.name in ("entryRelationship", "component"):
            inner = next((child for child in node.children if child.name in _ACTS), None)
            if inner is not None:
                part = _part(node, inner, kind)
                node.attributes = (
                    {"typeCode": "COMP", **node.attributes}
                    if node.name == "component"
                    else {**_RELATIONS.get(part, {}), **node.attributes}
                )
                self.dress(inner, part)
        elif node.name == "consumable":
            node.attributes["typeCode"] = "CSM"
            for product in node.all("manufacturedProduct"):
                product.children[:0] = [Element("templateId", {"root": root}) for root in FORMS["product"].templates]
        elif node.name == "participant" and node.get("typeCode") == "AUTHEN":
            node.children[:0] = [Element("templateId", {"root": root}) for root in FORMS["validator"].templates]

    def completed(self, node: Element, needs: tuple[str, ...]) -> None:
        """What the schema and the templates want, without saying more than is known."""
        present = {child.name for child in node.children}
        for name in needs:
            if name in present:
                continue
            if name == "text":
                node.children.append(self.link("text", None, _label(node)))
            elif name == "statusCode":
                node.add("statusCode", {"code": "completed"})
            elif name == "effectiveTime":
                node.add("effectiveTime", {"nullFlavor": "NA"})
            else:
                value = node.add("value", {"xsi:type": "CD"})
                value.children.append(self.link("originalText", None, None))

    def linked(self, node: Element) -> None:
        """Texts become links; codes of observations refer to the narrative too."""
        for index, child in enumerate(node.children):
            if child.name == "text" and isinstance(child.text, str):
                node.children[index] = self.link("text", child.text, None)
            elif child.name not in _ACTS and child.name not in ("author", "performer"):
                self.linked(child)
            if child.name == "originalText" and isinstance(child.text, str):
                node.children[index] = self.link("originalText", child.text, None)
        if node.name in ("value", "code") and node.get("code") and node.find("originalText") is None:
            node.children.insert(0, self.link("originalText", None, node.get("displayName")))

    def link(self, name: str, text: str | None, about: str | None) -> Element:
        """A text of an entry: a reference to the words in the narrative, or the words themselves beside one to the whole."""
        found = self.narrative.ids.get(text or about or "")
        link = Element(name, text=text if found is None else None)
        link.add("reference", {"value": f"#{found or self.narrative.id}"})
        return link


def _part(relation: Element, inner: Element, kind: str) -> str:
    """The form of an act inside another."""
    code = inner.value("code/@code") or ""
    typed = relation.get("typeCode") or ""
    if typed in ("MFST", "CAUS", "RSON"):
        return typed
    if code in FORMS:
        return code
    if inner.name == "procedure":
        return "specimen"
    if inner.name == "organizer":
        return "battery"
    return {
        "problem-concern": "problem", "allergy-concern": "allergy", "vital-signs": "vital-sign", "laboratory": "result", "battery": "result",
    }.get(kind, "observation")  # fmt: skip


def _label(node: Element) -> str | None:
    """The words under which the narrative may hold an entry."""
    for path in (
        "value/@displayName", "consumable/manufacturedProduct/manufacturedMaterial/name", "participant/participantRole/playingEntity/name",
        "code/@displayName",
    ):  # fmt: skip
        found = node.value(path)
        if found:
            return found
    return None


def dress(node: Element, kind: str, narrative: Narrative) -> None:
    """Give an entry of a kind its form."""
    _Dresser(narrative).dress(node, kind)
