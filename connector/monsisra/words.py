"""The closed vocabularies of the exchange profile: what the reader takes and what the JSON Schema lists."""

from __future__ import annotations

from connector.exchange.teleexpertise import STATES

__all__ = ["MODES", "WORDS"]

#: mode → what the guides call it.
MODES = {
    "conversation": "Conversation",
    "teleexpertise": "Téléexpertise",
    "document": "Envoyer un document",
    "mail": "Mail sécurisé",
    "mon_espace_sante": "Mon Espace Santé",
}

#: (type, field) → its words.
WORDS: dict[tuple[str, str], tuple[str, ...]] = {
    ("Exchange", "mode"): tuple(MODES),
    ("Exchange", "intent"): ("submit", "replace", "delete", "notify"),
    ("Exchange", "origin"): ("monsisra", "feed"),
    ("Message", "format"): ("html",),
    ("Expert", "kind"): ("expert", "equipe_ressource"),
    ("Expert", "asks"): ("form", "conversation"),
    ("Step", "state"): tuple(STATES),
    ("Channel", "state"): ("open", "closed"),
    ("Patient", "sex"): ("male", "female", "other", "unknown"),
}
