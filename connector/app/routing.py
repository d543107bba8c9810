"""Settings of a site as the desk takes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from connector.settings import Settings

__all__ = ["desk_settings", "shaped_as", "written_as"]


def desk_settings(settings: Settings) -> Any:
    """Routes and intake rules as the desk takes them. Without routes every message goes to every destination."""
    from connector.pipeline.judge import DeskSettings

    routes = [
        {
            "to": route.to,
            "types": route.when.type,
            "senders": route.when.sender,
            "endpoints": route.when.receiver,
            "intents": route.when.intent,
            "modes": route.when.mode,
            "document_types": route.when.document_type,
            "directives": route.when.directive,
            "boxes": route.when.box,
        }
        for route in settings.routes
    ] or [{"to": tuple(settings.destinations)}]
    senders = {name: rules.model_dump(exclude_none=True) for name, rules in settings.senders.items()}
    data = {
        "routes": routes,
        "defer_above": settings.defer_above,
        "language": settings.language,
        "parse_options": senders,
        "writes": written_as(settings),
        "own_stores": [name for name, found in settings.destinations.items() if found.options.get("store") == "local"],
    }
    return msgspec.convert(data, DeskSettings)


def written_as(settings: Settings) -> dict[str, dict[str, str]]:
    """The destinations that get HL7 v2 written by the mappings, each with what it asks for."""
    from connector.pipeline.messages import OPTIONS

    return {
        name: {option: str(found.options.get(option, words[0])) for option, words in OPTIONS.items()}
        for name, found in settings.destinations.items()
        if found.kind == "mllp" and found.options.get("format", "raw") == "hl7"
    }


def shaped_as(settings: Settings, destination: str) -> dict[str, str]:
    """What a FHIR destination asks of its Bundles: sections, or each document as a FHIR document."""
    found = settings.destinations.get(destination)
    if found is None or found.kind != "fhir":
        return {}
    if found.options.get("mode") == "documents":
        return {"sections": "true", "shape": "document"}
    return {"sections": "true"} if found.options.get("sections") else {}
