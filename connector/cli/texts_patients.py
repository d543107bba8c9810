"""French of `connector identity` and `connector patient`: English sentences are the keys."""

from __future__ import annotations

__all__ = ["PATIENTS"]

PATIENTS = {
    "Read national numbers and addresses back.": "Relire numéros nationaux et adresses.",
    "Say what an INS, RPPS, ADELI, FINESS, SIREN, SIRET or secure address is, and what is wrong with it.": "Dire ce qu'est une INS, un RPPS, ADELI, FINESS, SIREN, SIRET ou une adresse sécurisée, et ce qui n'y va pas.",
    "Numbers or addresses.": "Numéros ou adresses.",
    "Take it as this kind.": "Le prendre pour de cette sorte.",
    "{severity}: {text}": "{severity} : {text}",
    "key {key}": "clé {key}",
    "PS_IdNat or Struct_IdNat: {written}": "PS_IdNat ou Struct_IdNat : {written}",
    "or {others} (--as)": "ou {others} (--as)",
    "The patient index.": "L'index des patients.",
    "Find patients by name and birth date, or by number, here and on the PDQm server.": "Trouver des patients par nom et date de naissance, ou par numéro, ici et sur le serveur PDQm.",
    "Show one record of the index, with what was merged into it.": "Montrer un dossier de l'index, avec ce qui y a été fusionné.",
    "Beginning of a family name; accents and case do not count.": "Début d'un nom de famille ; accents et casse ne comptent pas.",
    "Beginning of a given name.": "Début d'un prénom.",
    "Birth date, or its beginning.": "Date de naissance, ou son début.",
    "A number, with its domain in front or in any.": "Un numéro, avec son domaine devant ou dans tous.",
    "Which page.": "Quelle page.",
    "Number of the record (patient search).": "Numéro du dossier (patient search).",
    "no record {record}": "pas de dossier {record}",
    "{name} did not answer: {reason}": "{name} n'a pas répondu : {reason}",
    "there are more; --page shows the next ones": "il y en a d'autres ; --page montre les suivants",
    "merged into {record} by message {message}": "fusionné dans {record} par le message {message}",
    "Judge a refused or parked message again, once its cause is settled.": "Juger de nouveau un message refusé ou à décider, une fois sa cause réglée.",
    "message {number}: {state}": "message {number} : {state}",
    "kind": "sorte",
    "number": "numéro",
    "what it says": "ce qu'il dit",
    "name": "nom",
    "born": "naissance",
    "sex": "sexe",
    "identifiers": "identifiants",
    "known by": "connu de",
    "field": "champ",
}
