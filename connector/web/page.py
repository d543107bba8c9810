"""The status page: what runs, what waits, the last messages (without a value of theirs), where to look. Readable without colour or script."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from html import escape
from typing import Any
from zoneinfo import ZoneInfo

from connector.app import Status

__all__ = ["LANGUAGES", "STYLE_HASH", "render"]

_STYLE = """
:root{color-scheme:light dark;--ink:#1b1f24;--soft:#57606a;--line:#d5dae0;--back:#f5f7f9;--card:#fff;--link:#00539f;
--good:#11652f;--good-back:#e3f5e8;--warn:#7a4b00;--warn-back:#fff2d6;--bad:#a3131d;--bad-back:#fde7e8;--calm:#3d4854;--calm-back:#e9edf1}
@media(prefers-color-scheme:dark){:root{--ink:#e8eaed;--soft:#a5adb6;--line:#39414a;--back:#14171a;--card:#1d2126;--link:#8cc8ff;
--good:#8fe3a8;--good-back:#16361f;--warn:#ffd386;--warn-back:#3d2e0e;--bad:#ffb0b4;--bad-back:#431a1d;--calm:#c3ccd5;--calm-back:#2c333a}}
*{box-sizing:border-box}
body{font:16px/1.5 system-ui,sans-serif;margin:0;color:var(--ink);background:var(--back)}
main{max-width:72rem;margin:0 auto;padding:1.5rem 1rem 3rem}
a{color:var(--link)}code{font-family:ui-monospace,monospace;font-size:.92em;overflow-wrap:break-word}time{white-space:nowrap}
header{display:flex;flex-wrap:wrap;align-items:center;gap:.3rem 1rem}
h1{font-size:1.6rem;line-height:1.2;margin:0}h2{font-size:1.1rem;margin:0 0 .5rem}
p{margin:.4rem 0}.soft{color:var(--soft)}
section{background:var(--card);border:1px solid var(--line);border-radius:.5rem;padding:1rem 1.2rem;margin-top:1rem}
.verdict{border-left:.4rem solid;font-size:1.1rem}.verdict ul{margin:.3rem 0 0;padding-left:1.2rem;font-size:1rem}
.verdict.good{border-left-color:var(--good)}.verdict.warn{border-left-color:var(--warn)}.verdict.bad{border-left-color:var(--bad)}
.mark{display:inline-block;border-radius:.3rem;padding:0 .5rem;white-space:nowrap;font-size:.92em;color:var(--calm);background:var(--calm-back)}
.mark.good{color:var(--good);background:var(--good-back)}.mark.warn{color:var(--warn);background:var(--warn-back)}
.mark.bad{color:var(--bad);background:var(--bad-back)}.mark.environment{border:2px solid;font-weight:700}
table{border-collapse:collapse;width:100%}
th,td{text-align:left;padding:.4rem .8rem .4rem 0;border-top:1px solid var(--line);vertical-align:top}
th{font-weight:600;color:var(--soft);font-size:.92em;border-top:0}
th.n,td.n{text-align:right;font-variant-numeric:tabular-nums}td:last-child,th:last-child{padding-right:0}
.leg{display:inline-block;margin-right:.8rem}
@media(max-width:44rem){thead{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
tr{display:block;border-top:1px solid var(--line);padding:.5rem 0}td,td.n{display:flex;gap:.8rem;border:0;padding:.1rem 0;text-align:left}
td::before{content:attr(data-label);color:var(--soft);flex:0 0 8rem}td:empty{display:none}.leg{display:block}}
"""
#: What the content security policy names: this style and no other.
STYLE_HASH = "sha256-" + base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

LANGUAGES = ("fr", "en")

_FRENCH = {
    "MonSisra connector": "Connecteur MonSisra",
    "test environment": "environnement de test",
    "production": "production",
    "site": "site",
    "version": "version",
    "running for": "en marche depuis",
    "running": "en marche",
    "mappings": "correspondances",
    "as of": "état à",
    "refresh": "actualiser",
    "Everything runs and nothing waits for a person.": "Tout fonctionne et rien n'attend une personne.",
    "Everything runs; deliveries are on their way.": "Tout fonctionne ; des livraisons sont en cours.",
    "Someone should look:": "À regarder :",
    "does not listen": "n'écoute pas",
    "is halted": "est arrêtée",
    "waiting for": "en attente depuis",
    "rejected by the destination": "refusées par la destination",
    "waiting for a person's decision": "en attente d'une décision",
    "messages waiting for a person's decision": "messages en attente d'une décision",
    "messages without a verdict yet": "messages pas encore jugés",
    "What listens": "Ce qui écoute",
    "nothing listens": "rien n'écoute",
    "Destinations": "Destinations",
    "no destination": "aucune destination",
    "name": "nom",
    "kind": "genre",
    "address": "adresse",
    "state": "état",
    "listening": "écoute",
    "not listening": "n'écoute pas",
    "waiting": "en attente",
    "oldest": "le plus ancien",
    "to decide": "à décider",
    "accepted": "accepté",
    "rejected": "refusé",
    "parked": "à décider",
    "queued": "en file",
    "claimed": "pris en charge",
    "sent": "parti",
    "failed": "échoué, sera relancé",
    "cancelled": "annulé",
    "halted": "arrêtée",
    "Last messages": "Derniers messages",
    "none yet": "aucun pour l'instant",
    "received": "reçu",
    "type": "type",
    "sender": "émetteur",
    "MSH-10": "MSH-10",
    "deliveries": "livraisons",
    "translated": "traduit",
    "refused": "refusé",
    "Look further": "Aller plus loin",
    "documents as FHIR": "documents en FHIR",
    "FHIR capabilities": "capacités FHIR",
    "metrics": "mesures",
    "messages as JSON": "messages en JSON",
    "state as JSON": "état en JSON",
}
_OTHER = {"fr": ("en", "English"), "en": ("fr", "Français")}
_LINKS = (
    ("/fhir/DocumentReference", "documents as FHIR"),
    ("/fhir/metadata", "FHIR capabilities"),
    ("/api/messages", "messages as JSON"),
    ("/api/status", "state as JSON"),
    ("/metrics", "metrics"),
)
#: How a state looks; in words it is always there too.
_LOOKS = {
    "accepted": "good", "listening": "good", "running": "good", "translated": "good",
    "failed": "warn", "parked": "warn", "received": "warn", "halted": "bad", "not listening": "bad", "refused": "bad", "rejected": "bad",
}  # fmt: skip
_WAITING = ("queued", "claimed", "sent", "failed")
_LONG = 300.0  # seconds: a delivery that waits longer is worth a look

_Text = Callable[[str], str]


def render(
    status: Status, messages: Sequence[Mapping[str, Any]], language: str, *, now: str = "", zone: str = "Europe/Paris"
) -> str:
    """The whole page; times are those of the site's zone, `now` the moment of the figures."""

    def t(text: str) -> str:
        return escape(_FRENCH.get(text, text) if language == "fr" else text)

    other, name = _OTHER[language]
    parts = [
        _heading(status, t, _time(now, zone, language) if now else ""),
        _verdict(status, t),
        _section(t("What listens"), _receivers(status, t)),
        _section(t("Destinations"), _destinations(status, t)),
        _section(t("Last messages"), _messages(messages, t, zone, language)),
        _section(
            t("Look further"), "<p>" + " · ".join(f'<a href="{where}">{t(text)}</a>' for where, text in _LINKS) + "</p>"
        ),
        f'<p class=soft><a href="/?lang={other}" hreflang={other} lang={other}>{name}</a></p>',
    ]
    return (
        f'<!doctype html><html lang="{language}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{t('MonSisra connector')} · {escape(status.site)} · {t(_environment(status))}</title>"
        f"<style>{_STYLE}</style></head><body><main>{''.join(parts)}</main></body></html>"
    )


def _environment(status: Status) -> str:
    return "test environment" if status.environment == "test" else status.environment


def _heading(status: Status, t: _Text, now: str) -> str:
    look = "warn" if status.environment == "test" else "good"
    about = [
        f"{t('site')} <strong>{escape(status.site)}</strong>",
        f"{t('version')} {escape(status.version)}",
        f"{t('running for')} {_age(status.up_seconds)}",
        f"{t('mappings')} <code>{escape(status.mappings)}</code>",
    ]
    if now:
        about.append(f'{t("as of")} {now} (<a href="">{t("refresh")}</a>)')
    return (
        f'<header><h1>{t("MonSisra connector")}</h1><span class="mark environment {look}">{t(_environment(status))}</span></header>'
        f"<p class=soft>{' · '.join(about)}</p>"
    )


def _verdict(status: Status, t: _Text) -> str:
    """The one sentence that an operator comes for, and why."""
    bad = [f"{escape(found.name)} {t('does not listen')}" for found in status.receivers if not found.listening]
    bad += [f"{escape(name)} {t('is halted')}" for name in status.paused]
    warn = []
    for name in status.destinations:
        states = status.deliveries.get(name, {})
        for state, text in (("rejected", "rejected by the destination"), ("parked", "waiting for a person's decision")):
            if count := states.get(state, 0):
                warn.append(f"{escape(name)} : {count} {t(text)}")
        if (age := status.oldest_waiting.get(name, 0.0)) >= _LONG:
            warn.append(f"{escape(name)} : {t('waiting for')} {_age(age)}")
    for state, text in (
        ("parked", "messages waiting for a person's decision"),
        ("received", "messages without a verdict yet"),
    ):
        if count := status.messages.get(state, 0):
            warn.append(f"{count} {t(text)}")
    if not bad and not warn:
        waits = any(states.get(state) for states in status.deliveries.values() for state in _WAITING)
        calm = (
            "Everything runs; deliveries are on their way."
            if waits
            else "Everything runs and nothing waits for a person."
        )
        return f'<section class="verdict good">{t(calm)}</section>'
    reasons = "".join(f"<li>{reason}</li>" for reason in (*bad, *warn))
    return (
        f'<section class="verdict {"bad" if bad else "warn"}">{t("Someone should look:")}<ul>{reasons}</ul></section>'
    )


def _receivers(status: Status, t: _Text) -> str:
    rows = [
        [
            escape(found.name),
            escape(found.kind),
            f"<code>{escape(found.where)}</code>",
            _mark("listening" if found.listening else "not listening", t),
        ]
        for found in status.receivers
    ]
    return _table([t("name"), t("kind"), t("address"), t("state")], rows) if rows else f"<p>{t('nothing listens')}</p>"


def _destinations(status: Status, t: _Text) -> str:
    rows = [_destination(name, kind, status, t) for name, kind in status.destinations.items()]
    columns = [t("name"), t("kind"), t("state"), t("waiting"), t("oldest"), t("rejected"), t("to decide")]
    return _table(columns, rows, numbers=(3, 4, 5, 6)) if rows else f"<p>{t('no destination')}</p>"


def _destination(name: str, kind: str, status: Status, t: _Text) -> list[str]:
    states = status.deliveries.get(name, {})
    waiting = sum(states.get(state, 0) for state in _WAITING)
    oldest = status.oldest_waiting.get(name)
    return [
        escape(name),
        escape(kind),
        _mark("halted" if name in status.paused else "running", t),
        str(waiting),
        _age(oldest) if oldest is not None else "",
        *(str(states.get(state, 0)) for state in ("rejected", "parked")),
    ]


def _messages(messages: Sequence[Mapping[str, Any]], t: _Text, zone: str, language: str) -> str:
    rows = [_message(message, t, zone, language) for message in messages]
    columns = [t("received"), t("type"), t("sender"), t("MSH-10"), t("state"), t("deliveries")]
    return _table(columns, rows) if rows else f"<p>{t('none yet')}</p>"


def _message(message: Mapping[str, Any], t: _Text, zone: str, language: str) -> list[str]:
    where = f"/api/messages/{int(message['message_id'])}"
    deliveries = message.get("deliveries", {}).items()
    return [
        f'<a href="{where}">{_time(str(message["received_at"]), zone, language)}</a>',
        escape(str(message["type"])),
        escape(str(message.get("sender", "")).replace("|", " · ")),
        f"<code>{escape(str(message['control_id']))}</code>",
        _mark(str(message["state"]), t),
        "".join(f"<span class=leg>{escape(name)} {_mark(state, t)}</span> " for name, state in deliveries).rstrip(),
    ]


def _section(title: str, inner: str) -> str:
    return f"<section><h2>{title}</h2>{inner}</section>"


def _mark(state: str, t: _Text) -> str:
    look = _LOOKS.get(state)
    return f'<span class="mark{f" {look}" if look else ""}">{t(state)}</span>'


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]], numbers: Sequence[int] = ()) -> str:
    kinds = [" class=n" if number in numbers else "" for number in range(len(columns))]
    head = "".join(f'<th scope="col"{kind}>{column}</th>' for column, kind in zip(columns, kinds, strict=True))
    body = "".join(
        "<tr>"
        + "".join(
            f'<td{kind} data-label="{column}">{cell}</td>'
            for cell, column, kind in zip(row, columns, kinds, strict=True)
        )
        + "</tr>"
        for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _time(text: str, zone: str, language: str) -> str:
    """A moment on the site's own clock, as its people write it; what is no moment stands as it is."""
    try:
        moment = datetime.fromisoformat(text)
        shown = (moment.astimezone(ZoneInfo(zone)) if moment.tzinfo else moment).strftime(
            "%d/%m/%Y %H:%M:%S" if language == "fr" else "%Y-%m-%d %H:%M:%S"
        )
    except ValueError:
        return escape(text)
    return f'<time datetime="{escape(text)}">{shown}</time>'


def _age(seconds: float) -> str:
    whole = int(seconds)
    if whole < 120:
        return f"{whole} s"
    return f"{whole // 60} min" if whole < 7200 else f"{whole // 3600} h"
