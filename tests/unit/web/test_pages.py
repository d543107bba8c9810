"""The status page and the metrics as texts: escaped, complete, in both languages."""

from __future__ import annotations

import re

import msgspec
import pytest

from connector.app import ReceiverStatus, Status
from connector.web.metrics import exposition
from connector.web.page import render

STATUS = Status(
    version="1.0",
    environment="production",
    site="<script>alert(1)</script>",
    mappings="abc",
    up_seconds=7300,
    receivers=(ReceiverStatus('a"b\\c\n', "mllp", "127.0.0.1:2575", listening=False),),
    destinations={"dmp & co": "mllp"},
    messages={"parked": 2},
    deliveries={"dmp & co": {"queued": 3, "failed": 1, "parked": 4}},
    oldest_waiting={"dmp & co": 61.0},
    paused=("dmp & co",),
)
MESSAGE = {
    "message_id": 5,
    "received_at": "2026",
    "type": "MDM^T02",
    "control_id": "<b>",
    "state": "refused",
    "deliveries": {"<i>": "parked"},
}


@pytest.mark.parametrize("language", ["fr", "en"])
def test_nothing_of_what_is_shown_becomes_markup(language: str) -> None:
    page = render(STATUS, [MESSAGE], language)
    assert not re.search(r"<(script|b|i)>", page)
    assert "&lt;script&gt;" in page
    assert "dmp &amp; co" in page
    assert f'<html lang="{language}">' in page


def test_the_page_says_what_waits_and_what_is_halted_in_words() -> None:
    page = render(STATUS, [], "fr")
    assert "n&#x27;écoute pas" in page
    assert "arrêtée" in page
    assert 'data-label="en attente">4</td>' in page
    assert ">61 s</td>" in page
    assert "dmp &amp; co est arrêtée" in page
    assert "2 messages en attente d&#x27;une décision" in page
    assert "aucun pour l&#x27;instant" in page
    assert "depuis 2 h" in page


def test_metrics_are_the_text_format_with_escaped_labels() -> None:
    text = exposition(STATUS)
    assert 'connector_receiver_up{receiver="a\\"b\\\\c\\n",kind="mllp"} 0' in text
    assert 'connector_deliveries{destination="dmp & co",state="parked"} 4' in text
    assert 'connector_oldest_waiting_seconds{destination="dmp & co"} 61' in text
    for line in text.splitlines():
        assert line.startswith("# ") or re.fullmatch(r'[a-z_]+(\{([a-z_]+="([^"\\]|\\.)*",?)+\})? [0-9.e+]+', line), (
            line
        )


def test_an_idle_connector_has_a_page_too() -> None:
    idle = msgspec.structs.replace(STATUS, messages={}, deliveries={}, oldest_waiting={}, paused=())
    idle = msgspec.structs.replace(idle, receivers=(ReceiverStatus("lab", "mllp", "127.0.0.1:2575", listening=True),))
    page = render(idle, [], "en", now="2026-07-01T12:00:00+00:00", zone="America/Martinique")
    assert "none yet" in page
    assert "Everything runs and nothing waits for a person." in page
    assert "2026-07-01 08:00:00" in page  # the site's own clock
    assert "Someone should look" not in page


def test_every_word_of_the_page_has_its_french() -> None:
    english = set(re.findall(r">([A-Za-z][^<>]{2,})<", render(STATUS, [MESSAGE], "en", now="2026-07-01T12:00:00Z")))
    french = set(re.findall(r">([A-Za-z][^<>]{2,})<", render(STATUS, [MESSAGE], "fr", now="2026-07-01T12:00:00Z")))
    same_in_both = {
        "mllp",
        "MSH-10",
        "MDM^T02",
        "production",
        "type",
        "abc",
        "Destinations",
        "site",
        "dmp &amp; co",
        "version",
    }
    assert {word.strip() for word in english & french if "\n" not in word} <= same_in_both
