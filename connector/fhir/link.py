"""A Bundle's resources as one linked tree: references followed, the document's bytes put where the attachment points.

What the tree looks like is said in tree.py. Nothing is fetched: a URL outside the Bundle stays a value (G07).
"""

from __future__ import annotations

from collections.abc import Iterator

from connector.fhir.clinical import opened
from connector.fhir.codec import Resource
from connector.fhir.composition import hold
from connector.fhir.nesting import nest
from connector.fhir.results import attachments
from connector.fhir.tree import LINK, TARGET
from connector.issues import IssueCode, Severity
from connector.mapping.language import Run

__all__ = ["link"]

#: How many values an unfolded tree may hold: references that fan out at each level would grow without end.
MOST_VALUES = 500_000
#: How many resources a Bundle may hold.
MOST_ENTRIES = 10_000

_ROOT_TYPES = ("Patient", "Encounter", "DocumentReference", "List", "Communication", "ServiceRequest")
_APART = frozenset({"contained", "target"})
#: Resources that are never unfolded where they are referred to: a reference says their type and business identifier.
_ROOTED = frozenset(
    {"Composition", "DocumentReference", "Communication", "ServiceRequest", "Task", "QuestionnaireResponse", "CareTeam"}
)


def link(resource: Resource, run: Run) -> Resource:
    """A Bundle, or one resource with its contained ones, as a linked tree. FHIR_REFERENCE for a reference that stays open.

    The first Patient and the first Encounter are the roots that others link to; a resource that nothing points at is a root too.
    """
    return _Linking(resource, run).tree()


class _Linking:
    """One Bundle being linked."""

    def __init__(self, resource: Resource, run: Run) -> None:
        self.run = run
        self.whole = resource
        self.by_url: dict[str, Resource] = {}
        self.resources: list[Resource] = []
        self.linked: dict[int, Resource] = {}  # by id() of the resource
        self.sizes: dict[int, int] = {}
        self.used: set[int] = set()
        self.open: list[int] = []
        self.places: list[str] = []
        self.size = 0
        for url, each in _entries(resource):
            self._index(url, each)
        self.roots: dict[int, str] = {}  # id() of the resources that others link to
        for kind in ("Patient", "Encounter"):
            first = next((each for each in self.resources if each["resourceType"] == kind), None)
            if first is not None:
                self.roots[id(first)] = kind
        #: Requests that are told with what answers to them.
        self.ordered = {id(self._find(url)) for url in _orders(self.resources)}
        self.ordered -= {id(self._find(url)) for url in _asked(self.resources)}
        for each in self.resources:
            if each["resourceType"] in _ROOTED and id(each) not in self.ordered:
                self.roots[id(each)] = each["resourceType"]

    def _index(self, url: str, resource: Resource) -> None:
        self.resources.append(resource)
        if url:
            self.by_url.setdefault(url, resource)
        identity = resource.get("id")
        if identity:
            self.by_url.setdefault(f"{resource['resourceType']}/{identity}", resource)

    def tree(self) -> Resource:
        """The roots by type, the subject resources first."""
        if len(self.resources) > MOST_ENTRIES:
            self.run.report(Severity.ERROR, IssueCode.TOO_MANY, "Bundle.entry", limit=MOST_ENTRIES, what="entry")
            return {}
        tree: Resource = {}
        for resource in self.resources:
            if id(resource) in self.roots or resource["resourceType"] == "List":
                self._root(tree, resource)
        for resource in self.resources:
            if id(resource) not in self.linked and id(resource) not in self.used and id(resource) not in self.ordered:
                self._root(tree, resource)
        if self.size > MOST_VALUES:
            self.run.report(Severity.ERROR, IssueCode.TOO_MANY, "Bundle", limit=MOST_VALUES, what="value")
            return {}
        pairs = [(each, self.linked[id(each)]) for each in self.resources if id(each) in self.linked]
        nest(tree, pairs, self._find)
        hold(tree, pairs, self._find, self.whole)
        return {kind: tree[kind] for kind in dict.fromkeys((*_ROOT_TYPES, *tree)) if tree.get(kind)}

    def _root(self, tree: Resource, resource: Resource) -> None:
        found = tree.setdefault(resource["resourceType"], [])
        self.places = [f"{resource['resourceType']}[{len(found) + 1}]"]
        linked = self._link(resource, {})
        if linked is not None:
            found.append(linked)
            self.size += self.sizes[id(resource)]

    def _link(self, resource: Resource, around: dict[str, Resource]) -> Resource | None:
        """The resource with its references followed, made once; None while it is being made (a cycle)."""
        key = id(resource)
        if key in self.open:
            return None
        made = self.linked.get(key)
        if made is None:
            self.open.append(key)
            # What is contained may point at what is contained beside it.
            contained = {f"#{each.get('id')}": each for each in _contained(resource)} or around
            before, self.size = self.size, 0
            made = self._node({k: v for k, v in resource.items() if k not in _APART}, contained)
            if resource["resourceType"] == "Provenance" and "target" in resource:
                made["target"] = resource["target"]  # what it is about does not become a part of it
            self.sizes[key], self.size = self.size, before
            self.linked[key] = made
            self.open.pop()
            self._inline(made)
            opened(made)
        return made

    def _node(self, node: Resource, contained: dict[str, Resource]) -> Resource:
        made: Resource = {}
        for key, value in node.items():
            if isinstance(value, dict):
                made[key] = self._child(key, value, contained)
            elif isinstance(value, list):
                made[key] = [
                    self._child(f"{key}[{number}]", item, contained) if isinstance(item, dict) else item
                    for number, item in enumerate(value, 1)
                ]
            else:
                self.size += 1
                made[key] = value
        return made

    def _child(self, key: str, node: Resource, contained: dict[str, Resource]) -> Resource:
        self.places.append(key)
        reference = node.get("reference")
        made = (
            self._reference(reference, node, contained) if isinstance(reference, str) else self._node(node, contained)
        )
        self.places.pop()
        return made

    def _reference(self, reference: str, node: Resource, contained: dict[str, Resource]) -> Resource:
        target = contained.get(reference) if reference.startswith("#") else self._find(reference)
        if target is None:
            # A server's own resources may stay outside of the Bundle; what points into the Bundle must be there.
            inside = reference.startswith(("#", "urn:"))
            severity = Severity.ERROR if inside else Severity.INFORMATION
            self.run.report(severity, IssueCode.FHIR_REFERENCE, ".".join(self.places))
            return self._node(node, contained)
        rest = {key: value for key, value in node.items() if key not in ("reference", "type")}
        kind = self.roots.get(id(target))
        if reference.startswith("#") and self.places[-1] == "sourcePatientInfo" and "Patient" in self.roots.values():
            kind = "Patient"  # PDSm contains the patient as known to whoever wrote the document: the one of the Bundle
        if kind is not None:
            made = {LINK: f"->{kind}", **self._node(rest, contained)}
            named = _named(target) if kind in _ROOTED else None
            if named is not None:
                made.setdefault("identifier", named)
            return made
        linked = self._link(target, contained)
        if linked is None:
            self.run.report(Severity.ERROR, IssueCode.FHIR_REFERENCE, ".".join(self.places))
            return self._node(node, contained)
        self.size += self.sizes[id(target)]
        return {TARGET: linked, **self._node(rest, contained)}

    def _find(self, reference: str) -> Resource | None:
        """By full URL, else by Type/id at its end (an absolute URL of the same server)."""
        found = self.by_url.get(reference)
        if found is None and "/" in reference:
            parts = reference.split("/_history/")[0].rsplit("/", 2)
            found = self.by_url.get("/".join(parts[-2:]))
        return found

    def _inline(self, made: Resource) -> None:
        """Put the data of the Binary that an attachment points at into the attachment, as ITI-105 has it."""
        for attachment in _attachments(made):
            binary = self._find(attachment["url"]) if "url" in attachment else None
            if binary is not None and binary["resourceType"] == "Binary":
                self.used.add(id(binary))
                del attachment["url"]
                if "data" in binary:
                    attachment["data"] = binary["data"]
                attachment.setdefault("contentType", binary.get("contentType"))


def _attachments(made: Resource) -> Iterator[Resource]:
    if made["resourceType"] == "DocumentReference":
        yield from (each["attachment"] for each in made.get("content", ()) if "attachment" in each)
    elif made["resourceType"] == "Communication":
        yield from (each["contentAttachment"] for each in made.get("payload", ()) if "contentAttachment" in each)
    elif made["resourceType"] == "Observation":
        yield from attachments(made)
    elif made["resourceType"] == "DiagnosticReport":
        yield from made.get("presentedForm", ())


def _orders(resources: list[Resource]) -> Iterator[str]:
    """What documents and reports answer to (event-basedOn of a Composition, DiagnosticReport.basedOn): told with them, no request of its own."""
    for each in resources:
        if each["resourceType"] == "Composition":
            for extension in each.get("extension", ()):
                reference = extension.get("valueReference", {}).get("reference")
                if extension.get("url") == "http://hl7.org/fhir/StructureDefinition/event-basedOn" and reference:
                    yield reference
        elif each["resourceType"] == "DiagnosticReport":
            yield from (reference["reference"] for reference in each.get("basedOn", ()) if "reference" in reference)


def _asked(resources: list[Resource]) -> Iterator[str]:
    """What a Task is about: a request with a life of its own."""
    for each in resources:
        if each["resourceType"] == "Task":
            references = [each.get("focus", {}), *each.get("basedOn", ())]
            yield from (reference["reference"] for reference in references if "reference" in reference)


def _named(target: Resource) -> Resource | None:
    """The identifier by which others name a resource."""
    identifiers = target.get("masterIdentifier") or target.get("identifier")
    if isinstance(identifiers, list):
        identifiers = identifiers[0] if identifiers else None
    return identifiers if isinstance(identifiers, dict) else None


def _entries(resource: Resource) -> Iterator[tuple[str, Resource]]:
    """(full URL, resource) of a Bundle's entries, or the resource alone."""
    if resource.get("resourceType") != "Bundle":
        yield "", resource
        return
    for entry in resource.get("entry", ()):
        inner = entry.get("resource") if isinstance(entry, dict) else None
        if isinstance(inner, dict) and isinstance(inner.get("resourceType"), str):
            yield str(entry.get("fullUrl", "")), inner


def _contained(resource: Resource) -> Iterator[Resource]:
    for each in resource.get("contained", ()):
        if isinstance(each, dict) and isinstance(each.get("resourceType"), str):
            yield each
