"""The files of a new site's folder, in French or English. Settings are those of `connector.settings`; a test loads what is written."""

from __future__ import annotations

__all__ = ["files"]

_SETTINGS_FR = """\
# Réglages du connecteur pour le site « {site} ».
# Vérifier : connector check . — Démarrer : connector serve connector.yaml
# Toutes les valeurs et leur sens : docs/reference/settings.md ; une variable CONNECTOR_<NOM> l'emporte sur ce fichier.

site: {site}

# test : identités de test seulement (OID INS 1.2.250.1.213.1.4.10) ; production : identités réelles seulement.
# Obligatoire et sans défaut : une erreur ici envoie des documents d'essai à des patients.
environment: test

# Journal, documents et journaux techniques. À sauvegarder.
data: var

# Par défaut un fichier SQLite dans `data`. Pour PostgreSQL (jamais de mot de passe ici) :
# database: postgresql+psycopg://connector@serveur/connector
# database_password: env:CONNECTOR_PG_PASSWORD

zone: Europe/Paris
language: fr

# OID sous lequel ce site fabrique ses propres identifiants : demander une branche à l'ANS avant la production.
namespace: 1.2.250.1.213.1.4.10.9

receivers:
  - kind: mllp
    host: 127.0.0.1
    port: 2575
    # Au-delà de la machine elle-même : TLS (tls: …), ou une raison écrite (insecure: …).

destinations:
  metier:
    kind: folder
    path: metier
    csv: true
  fhir:
    kind: fhir
    store: local

# Sans routes, tout va à toutes les destinations. `when` : type, sender, receiver, intent, mode, document_type, directive.
routes:
  - to: [metier, fhir]
  # - when: {{type: "MDM^T02", directive: to_dmp}}
  #   to: dmp

http:
  host: 127.0.0.1
  port: 8080
"""

_SETTINGS_EN = """\
# Settings of the connector for the site "{site}".
# Check: connector check . — Start: connector serve connector.yaml
# Every value and what it means: docs/reference/settings.md; a variable CONNECTOR_<NAME> prevails over this file.

site: {site}

# test: test identities only (INS OID 1.2.250.1.213.1.4.10); production: real identities only.
# Required and without default: a mistake here sends test documents to patients.
environment: test

# Journal, documents and technical logs. To be backed up.
data: var

# By default a SQLite file in `data`. For PostgreSQL (never a password here):
# database: postgresql+psycopg://connector@server/connector
# database_password: env:CONNECTOR_PG_PASSWORD

zone: Europe/Paris
language: fr

# OID under which this site makes its own identifiers: ask the ANS for a branch before production.
namespace: 1.2.250.1.213.1.4.10.9

receivers:
  - kind: mllp
    host: 127.0.0.1
    port: 2575
    # Beyond this machine: TLS (tls: …), or a written reason (insecure: …).

destinations:
  business:
    kind: folder
    path: business
    csv: true
  fhir:
    kind: fhir
    store: local

# Without routes, everything goes to every destination. `when`: type, sender, receiver, intent, mode, document_type, directive.
routes:
  - to: [business, fhir]
  # - when: {{type: "MDM^T02", directive: to_dmp}}
  #   to: dmp

http:
  host: 127.0.0.1
  port: 8080
"""

_OVERLAY_FR = """\
# Ce que ce site change à la lecture de PID : seulement les différences, une règle par ligne.
# `rules` remplace la règle qui a les deux mêmes bouts, `add` en ajoute une, `drop` en retire une.
# Une règle qui ne remplace rien est une erreur : `connector check .` le dit, avec le fichier et la ligne.
overlay: {target}
site: {site}
rules:
{rules}
"""

_OVERLAY_EN = """\
# What this site changes in reading PID: differences only, one rule a line.
# `rules` replaces the rule with the same two ends, `add` adds one, `drop` removes one.
# A rule that replaces nothing is an error: `connector check .` says so, with file and line.
overlay: {target}
site: {site}
rules:
{rules}
"""

_README_FR = """\
# Connecteur MonSisra : site « {site} »

Tout ce qui est propre au site tient dans ce dossier ; le produit ne se modifie jamais. À mettre sous git.

| | |
|---|---|
| `connector.yaml` | réglages : ce qui écoute, où vont les documents, dans quel environnement |
| `mappings/` | surcouches : ce que le site change aux correspondances du produit |
| `terminology/` | tables du site ; un fichier remplace celui du produit qui porte le même nom |
| `golden/` | cas d'essai : un message (`in.hl7`) et ce qu'il doit devenir (`exchange.json`, `issues.txt`, `unread.txt`) |

```
connector check .                 # réglages, correspondances, tables, cas : toutes les erreurs d'un coup
connector check . --update-golden # écrire de nouveau ce qu'attendent les cas, puis relire la différence
connector explain golden/lettre/in.hl7
connector serve connector.yaml
```

Données d'essai seulement ici : jamais le message d'un vrai patient.
"""

_README_EN = """\
# MonSisra connector: site "{site}"

All that is this site's own stands in this folder; the product is never changed. Meant to be kept in git.

| | |
|---|---|
| `connector.yaml` | settings: what listens, where documents go, in which environment |
| `mappings/` | overlays: what the site changes in the product's mappings |
| `terminology/` | the site's tables; a file replaces the product's of the same name |
| `golden/` | cases: a message (`in.hl7`) and what it must become (`exchange.json`, `issues.txt`, `unread.txt`) |

```
connector check .                 # settings, mappings, tables, cases: every mistake at once
connector check . --update-golden # write what the cases expect anew, then read the difference
connector explain golden/letter/in.hl7
connector serve connector.yaml
```

Test data only here: never the message of a real patient.
"""

_NOTE_FR = (
    "Lettre de liaison d'essai (MDM^T02, volet « Transmission d'un document CDA-R2 en HL7v2 »), identité de test.\n"
)
_NOTE_EN = 'A letter for trial (MDM^T02, volet "Transmission d\'un document CDA-R2 en HL7v2"), test identity.\n'

_IGNORE = "var/\nmetier/\nbusiness/\n*.key\n*.pem\nsecrets/\n"
_ATTRIBUTES = (
    "# A carriage return is data in these files: never normalise them.\n*.hl7 -text\n*.er7 -text\ngolden/** -text\n"
)
_KEEP_TABLES = "# exchange,hl7,fhir,… : same columns as the product's table of the same name.\n"


def files(site: str, language: str, *, overlay: tuple[str, str], message: bytes) -> dict[str, bytes]:
    """Path in the folder → content. `overlay` is (mapping, rule lines) of an overlay that changes nothing yet."""
    french = language == "fr"
    target, rules = overlay
    names = {"site": site, "target": target, "rules": rules}
    case = "lettre" if french else "letter"
    texts = {
        "connector.yaml": (_SETTINGS_FR if french else _SETTINGS_EN).format(**names),
        f"mappings/{target}.yaml": (_OVERLAY_FR if french else _OVERLAY_EN).format(**names),
        "terminology/README.txt": _KEEP_TABLES,
        f"golden/{case}/NOTE.md": _NOTE_FR if french else _NOTE_EN,
        "README.md": (_README_FR if french else _README_EN).format(**names),
        ".gitignore": _IGNORE,
        ".gitattributes": _ATTRIBUTES,
    }
    return {path: text.encode("utf-8") for path, text in texts.items()} | {f"golden/{case}/in.hl7": message}
