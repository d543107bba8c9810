"""What FHIR says by a resource that refers to another is put into that other: messages into their thread, notices of reading into their message.

The tree's names for what is held so are in tree.HELD. Each resource is looked at once: a thread of n messages takes n steps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from connector.fhir.codec import Resource
from connector.fhir.tree import LINK, TARGET

__all__ = ["NOTIFICATION", "OPINION", "THREAD", "codes", "nest"]

#: category of a Communication, by its code alone.
NOTIFICATION, THREAD, OPINION = "notification", "thread", "opinion"
Find = Callable[[str], Resource | None]
Pair = tuple[Resource, Resource]


def nest(tree: Resource, pairs: list[Pair], find: Find) -> None:
    """Move each linked resource into its holder. `pairs`: each resource as it came, and as it is linked; `find` follows a reference.

    A Communication that answers for a thread and is not marked as one is its first message too; messages without their thread get one.
    """
    nesting = _Nesting(tree, pairs, find)
    for raw, made in pairs:
        nesting.place(raw, made)
    nesting.threads()


class _Nesting:
    """One tree being folded."""

    def __init__(self, tree: Resource, pairs: list[Pair], find: Find) -> None:
        self.tree = tree
        self.find = find
        self.made = {id(raw): made for raw, made in pairs}
        self.moved: set[int] = set()
        self.tops: dict[int, Resource] = {}
        self.requests = [raw for raw, _ in pairs if raw["resourceType"] == "ServiceRequest"]
        self.questionnaires = {key: made for raw, made in pairs for key in _canonicals(raw)}

    def place(self, raw: Resource, made: Resource) -> None:
        """Into its holder, when it has one here."""
        match raw["resourceType"]:
            case "Communication":
                self._communication(raw, made)
            case "ServiceRequest" if "supportingInfo" in made:
                made["supportingInfo"] = [
                    each for each in made["supportingInfo"] if each.get(LINK) in (None, "->DocumentReference")
                ]
            case "Task":
                history = made.pop("relevantHistory", ())
                made["step"] = [each[TARGET] for each in history if TARGET in each]
                for step in made["step"]:
                    step.pop("target", None)
                self._held(self._targets(raw, "focus", "basedOn"), "ServiceRequest", "task", made, "focus", "basedOn")
            case "QuestionnaireResponse":
                self._form(raw, made)
            case "Provenance" if "entity" not in raw:
                self._provenance(raw, made)

    def threads(self) -> None:
        """What was moved is no root; what is left of the Communications is one thread."""
        for kind in ("Communication", "CareTeam", "Task", "QuestionnaireResponse", "Questionnaire", "Provenance"):
            if kind in self.tree:
                self.tree[kind] = [each for each in self.tree[kind] if id(each) not in self.moved]
        left: list[Resource] = self.tree.get("Communication", [])
        if left and not any("message" in each or THREAD in codes(each) for each in left):
            self.tree["Communication"] = [{**_around(left[0]), "message": left}]
        else:
            for root in left:
                if THREAD not in codes(root):
                    root["message"] = [_first(root), *root.get("message", ())]

    def _communication(self, raw: Resource, made: Resource) -> None:
        self._team(raw, made)
        if NOTIFICATION in codes(raw):
            answered = self._targets(raw, "inResponseTo")
            if self._held(answered, "Communication", "notification", made, "inResponseTo", "partOf"):
                return
        if OPINION in codes(raw) and self._held(
            self._targets(raw, "basedOn"), "ServiceRequest", "answer", made, "basedOn", "partOf"
        ):
            return
        top = self._top(raw)
        if top is not raw:
            self._held([top], "Communication", "message", made, "partOf")
        elif THREAD in codes(raw):
            made.pop("basedOn", None)

    def _team(self, raw: Resource, made: Resource) -> None:
        """A CareTeam among the recipients is the team of the thread."""
        teams = [each for each in self._targets(raw, "recipient") if each["resourceType"] == "CareTeam"]
        if teams:
            made["team"] = [self.made[id(each)] for each in teams]
            self.moved |= {id(each) for each in made["team"]}
            made["recipient"] = [each for each in made["recipient"] if each.get(LINK) != "->CareTeam"]

    def _top(self, raw: Resource) -> Resource:
        """The Communication at the head of the thread; the resource itself when it has none here, or when parts are one another's."""
        way, top = {id(raw)}, raw
        while parent := next(
            (each for each in self._targets(top, "partOf") if each["resourceType"] == "Communication"), None
        ):
            known = self.tops.get(id(parent))
            if known is not None:
                top = known
                break
            if id(parent) in way:
                return raw
            way.add(id(parent))
            top = parent
        self.tops.update(dict.fromkeys(way, top))
        return top

    def _form(self, raw: Resource, made: Resource) -> None:
        asking = (each for each in self.requests if any(t is raw for t in self._targets(each, "supportingInfo")))
        request = [*self._targets(raw, "basedOn"), *asking]
        canonical = raw.get("questionnaire", "")
        contained = (each for each in raw.get("contained", ()) if f"#{each.get('id')}" == canonical)
        definition = self.questionnaires.get(canonical) or next(contained, None)
        if definition is not None:
            made["definition"] = [definition]
            self.moved.add(id(definition))
        if canonical.startswith("#"):
            del made["questionnaire"]
        self._held(request, "ServiceRequest", "form", made, "basedOn")

    def _provenance(self, raw: Resource, made: Resource) -> None:
        for target in self._targets(raw, "target"):
            if target["resourceType"] in ("Communication", "List"):
                self._held([target], target["resourceType"], "provenance", made, "target")
                return

    def _held(self, holders: Iterable[Resource], kind: str, element: str, made: Resource, *said: str) -> bool:
        """Put it into the first holder of that kind; the elements that said so are taken away."""
        for holder in holders:
            if holder["resourceType"] == kind and self.made.get(id(holder)) not in (None, made):
                self.made[id(holder)].setdefault(element, []).append(made)
                self.moved.add(id(made))
                for name in said:
                    made.pop(name, None)
                return True
        return False

    def _targets(self, raw: Resource, *names: str) -> list[Resource]:
        found = []
        for name in names:
            value = raw.get(name, ())
            for reference in value if isinstance(value, list) else (value,):
                target = self._target(reference)
                if target is not None:
                    found.append(target)
        return found

    def _target(self, reference: Any) -> Resource | None:
        url = reference.get("reference") if isinstance(reference, dict) else None
        return self.find(url) if isinstance(url, str) else None


def codes(resource: Resource) -> set[str]:
    """The codes of a resource's categories."""
    categories = resource.get("category", ())
    return {coding.get("code") for each in categories for coding in each.get("coding", ())}


def _canonicals(raw: Resource) -> Iterator[str]:
    if raw["resourceType"] == "Questionnaire" and "url" in raw:
        yield raw["url"]
        if "version" in raw:
            yield f"{raw['url']}|{raw['version']}"


#: What a thread without a Communication of its own has from its first message.
_SHARED = (
    "resourceType",
    "status",
    "category",
    "medium",
    "subject",
    "topic",
    "encounter",
    "recipient",
    "sender",
    "team",
)
#: What a thread keeps for itself when its Communication is the first message as well.
_OWN = ("team", "message", "topic")


def _around(message: Resource) -> Resource:
    made = {name: message[name] for name in _SHARED if name in message}
    if "identifier" in message:
        made["identifier"] = message["identifier"]
    message.pop("team", None)
    return made


def _first(root: Resource) -> Resource:
    """The message that a thread's Communication is, taken out of it."""
    message = {name: value for name, value in root.items() if name not in _OWN}
    for name in ("payload", "sent", "received", "inResponseTo", "notification", "provenance", "statusReason", "about"):
        root.pop(name, None)
    return message
