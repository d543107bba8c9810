"""A document Bundle as IHE MHD ITI-65 wants it (PDSm flux 01): SubmissionSet, DocumentReferences and Binaries, POSTed together.

Who wrote, sent and received is contained in what speaks of them; nothing else leaves. A second sending finds what the first one made
(`ifNoneExist`), so that a lost answer doubles no document.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from connector.fhir.codec import Resource
from connector.fhir.pdsm import DOCUMENT, PROVIDE, SUBMISSION_SET

__all__ = ["condition", "submission"]

#: What a submission is made of, in this order (MHD 4.2.3, Bundle.entry slices).
_KINDS = ("List", "DocumentReference", "Binary", "Patient")


def submission(bundle: Resource) -> Resource | None:
    """The ITI-65 Bundle of an assembled one (`urn:uuid` full URLs); None when it holds no SubmissionSet or no document."""
    pool = {entry["fullUrl"]: entry["resource"] for entry in bundle["entry"]}
    roots = [entry for kind in _KINDS for entry in bundle["entry"] if entry["resource"]["resourceType"] == kind]
    kinds = {entry["resource"]["resourceType"] for entry in roots}
    if not {"List", "DocumentReference"} <= kinds:
        return None
    inside = {url: resource for url, resource in pool.items() if resource["resourceType"] not in _KINDS}
    entries = [_entry(entry["fullUrl"], _containing(entry["resource"], inside)) for entry in roots]
    return {"resourceType": "Bundle", **_claimed(roots), "type": "transaction", "entry": entries}


def _claimed(roots: list[Resource]) -> Resource:
    """The profile of the Bundle, when its SubmissionSet and every document claim theirs."""
    claims = [
        set(entry["resource"].get("meta", {}).get("profile", ()))
        for entry in roots
        if entry["resource"]["resourceType"] in ("List", "DocumentReference")
    ]
    return {"meta": {"profile": [PROVIDE]}} if all(claim & {DOCUMENT, SUBMISSION_SET} for claim in claims) else {}


def _entry(url: str, resource: Resource) -> Resource:
    kind = resource["resourceType"]
    request: Resource = {"method": "POST", "url": kind}
    known = condition(resource)
    if known is not None:
        request["ifNoneExist"] = known
    return {"fullUrl": url, "resource": resource, "request": request}


def condition(resource: Resource) -> str | None:
    """The query that finds a resource by its first identifier; None when it has none with a system."""
    known = next(_identifiers(resource), None)
    return f"identifier={_quoted(known[0])}%7C{_quoted(known[1])}" if known is not None else None


def _quoted(text: str) -> str:
    """Percent-encoded but for the unreserved characters (RFC 3986 §2.3)."""
    kept = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"
    return "".join(each if each in kept else "".join(f"%{byte:02X}" for byte in each.encode()) for each in text)


def _identifiers(resource: Resource) -> Iterator[tuple[str, str]]:
    listed = [resource["masterIdentifier"]] if "masterIdentifier" in resource else resource.get("identifier", ())
    for each in listed:
        if "system" in each and "value" in each:
            yield each["system"], each["value"]


def _containing(resource: Resource, inside: dict[str, Resource]) -> Resource:
    """The resource with what it refers to of `inside` contained in it, each once, what is referred to before what refers."""
    contained: list[Resource] = []
    met = {each["id"] for each in resource.get("contained", ())}

    def local(node: Any) -> Any:
        if isinstance(node, list):
            return [local(each) for each in node]
        if not isinstance(node, dict):
            return node
        made = {key: local(value) if isinstance(value, dict | list) else value for key, value in node.items()}
        target = inside.get(made.get("reference", ""))
        if target is not None:
            if target["id"] not in met:
                met.add(target["id"])  # before what it refers to: a circle ends here
                contained.append(local(_bare(target)))
            made["reference"] = f"#{target['id']}"
        return made

    made: Resource = local(resource)
    if contained:
        made["contained"] = [*resource.get("contained", ()), *contained]
    made.pop("id", None)
    ordered: Resource = {key: made[key] for key in ("resourceType", "meta", "contained") if key in made}
    return {**ordered, **made}


def _bare(resource: Resource) -> Resource:
    """A contained resource has no narrative and no meta but its profile (R4, DomainResource dom-2 to dom-5)."""
    return {key: value for key, value in resource.items() if key not in ("text", "contained", "meta")}
