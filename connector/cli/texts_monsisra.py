"""French of `connector advise` and `connector monsisra`: English sentences are the keys."""

from __future__ import annotations

__all__ = ["MONSISRA"]

MONSISRA = {
    "Say which of the five modes to use, why, and what is missing before it can be sent.": "Dire lequel des cinq modes choisir, pourquoi, et ce qui manque avant l'envoi.",
    "The exchange profile.": "Le profil d'échange.",
    "Write the JSON Schema of the exchange profile.": "Écrire le schéma JSON du profil d'échange.",
    "Draft: an exchange (JSON) without its mode; - for the standard input.": "Brouillon : un échange (JSON) sans son mode ; - pour l'entrée standard.",
    "Secure address of a correspondent; may be repeated.": "Adresse sécurisée d'un correspondant ; peut être répété.",
    "A correspondent who is not active on MonSisra; may be repeated.": "Un correspondant qui n'est pas actif sur MonSisra ; peut être répété.",
    "The expert whose opinion is asked.": "L'expert dont l'avis est demandé.",
    "The équipe ressource that is called upon.": "L'équipe ressource sollicitée.",
    "There is text.": "Il y a du texte.",
    "There is a document.": "Il y a un document.",
    "There is a photo.": "Il y a une photo.",
    "A visio is proposed.": "Une visio est proposée.",
    "Missing before it can be sent:": "Il manque, avant l'envoi :",
}
