"""The status page: what runs, what waits, the last messages (without a value of theirs), where to look. Readable without colour or script."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape
from typing import Any

from connector.app import Status

__all__ = ["STYLE_HASH", "render"]

_STYLE = """
body{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:64rem;padding:0 1rem;color:#1a1a1a;background:#fff}
h1{font-size:1.5rem;margin:0}h2{font-size:1.1rem;margin:2rem 0 .5rem}
table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.3rem .8rem .3rem 0;border-bottom:1px solid #ccc;vertical-align:top}
th{font-weight:600}td.n{text-align:right;font-variant-numeric:tabular-nums}
.test{border:2px solid #8a5a00;padding:.1rem .5rem}.production{border:2px solid #0b5;padding:.1rem .5rem}
a{color:#00539f}@media(prefers-color-scheme:dark){body{background:#161616;color:#eee}th,td{border-color:#444}a{color:#8cc8ff}}
"""
#: What the content security policy names: this style and no other.
STYLE_HASH = "sha256-" + base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

_FRENCH = {
    "MonSisra connector": "Connecteur MonSisra",
    "test": "environnement de test",
    "production": "production",
    "site": "site",
    "running for": "en marche depuis",
    "running": "en marche",
    "mappings": "correspondances",
    "Receivers": "Ce qui écoute",
    "Destinations": "Destinations",
    "name": "nom",
    "kind": "genre",
    "where": "où",
    "state": "état",
    "listening": "écoute",
    "not listening": "n'écoute pas",
    "waiting": "en attente",
    "oldest": "plus ancien",
    "accepted": "accepté",
    "rejected": "refusé",
    "parked": "à décider",
    "queued": "en file",
    "claimed": "pris",
    "sent": "parti",
    "failed": "échoué, à relancer",
    "cancelled": "annulé",
    "halted": "arrêtée",
    "Messages that need a verdict or a person": "Messages qui attendent un verdict ou une personne",
    "none": "aucun",
    "count": "nombre",
    "Last messages": "Derniers messages",
    "none yet": "aucun pour l'instant",
    "received": "reçu",
    "type": "type",
    "MSH-10": "MSH-10",
    "deliveries": "livraisons",
    "translated": "traduit",
    "refused": "refusé",
    "Look further": "Aller plus loin",
    "FHIR documents": "documents FHIR",
    "metrics": "mesures",
    "messages as JSON": "messages en JSON",
}

_WAITING = ("queued", "claimed", "sent", "failed")


def render(status: Status, messages: Sequence[Mapping[str, Any]], language: str) -> str:
    """The whole page."""

    def t(text: str) -> str:
        return escape(_FRENCH.get(text, text) if language == "fr" else text)

    environment = f'<strong class="{escape(status.environment)}">{t(status.environment)}</strong>'
    heading = (
        f"<h1>{t('MonSisra connector')} {escape(status.version)}</h1><p>{environment} · {t('site')} {escape(status.site)} · "
        f"{t('running for')} {_age(status.up_seconds)} · {t('mappings')} {escape(status.mappings)}</p>"
    )
    receivers = _table(
        [t("name"), t("kind"), t("where"), t("state")],
        [
            [escape(r.name), escape(r.kind), escape(r.where), t("listening" if r.listening else "not listening")]
            for r in status.receivers
        ],
    )
    destinations = _table(
        [t("name"), t("kind"), t("state"), t("waiting"), t("oldest"), t("rejected"), t("parked")],
        [_destination(name, kind, status, t) for name, kind in status.destinations.items()],
    )
    attention = [[t(state), str(count)] for state, count in status.messages.items()]
    counts = _table([t("state"), t("count")], attention) if attention else f"<p>{t('none')}</p>"
    rows = [_message(message, t) for message in messages]
    last = (
        _table([t("received"), t("type"), t("MSH-10"), t("state"), t("deliveries")], rows)
        if rows
        else f"<p>{t('none yet')}</p>"
    )
    links = (
        ("/fhir/DocumentReference", "FHIR documents"),
        ("/metrics", "metrics"),
        ("/api/messages", "messages as JSON"),
    )
    parts = [
        heading,
        f"<h2>{t('Receivers')}</h2>{receivers}",
        f"<h2>{t('Destinations')}</h2>{destinations}",
        f"<h2>{t('Messages that need a verdict or a person')}</h2>{counts}",
        f"<h2>{t('Last messages')}</h2>{last}",
        f"<h2>{t('Look further')}</h2><p>"
        + " · ".join(f'<a href="{where}">{t(text)}</a>' for where, text in links)
        + "</p>",
    ]
    return (
        f'<!doctype html><html lang="{language}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{t('MonSisra connector')}</title><style>{_STYLE}</style></head><body><main>{''.join(parts)}</main></body></html>"
    )


def _destination(name: str, kind: str, status: Status, t: Callable[[str], str]) -> list[str]:
    states = status.deliveries.get(name, {})
    waiting = sum(states.get(state, 0) for state in _WAITING)
    oldest = status.oldest_waiting.get(name)
    numbers = [str(states.get(state, 0)) for state in ("rejected", "parked")]
    running = t("halted" if name in status.paused else "running")
    return [escape(name), escape(kind), running, str(waiting), _age(oldest) if oldest is not None else "", *numbers]


def _message(message: Mapping[str, Any], t: Callable[[str], str]) -> list[str]:
    link = f'<a href="/api/messages/{int(message["message_id"])}">{escape(str(message["received_at"]))}</a>'
    deliveries = ", ".join(f"{escape(name)}: {t(state)}" for name, state in message.get("deliveries", {}).items())
    return [
        link,
        escape(str(message["type"])),
        escape(str(message["control_id"])),
        t(str(message["state"])),
        deliveries,
    ]


def _table(columns: Iterable[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f'<th scope="col">{column}</th>' for column in columns)
    body = "".join(
        "<tr>" + "".join(f"<td{' class=n' if cell.isdigit() else ''}>{cell}</td>" for cell in row) + "</tr>"
        for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _age(seconds: float) -> str:
    whole = int(seconds)
    if whole < 120:
        return f"{whole} s"
    return f"{whole // 60} min" if whole < 7200 else f"{whole // 3600} h"
