"""A document that replaces another: written with the replaced one's id and number, read back equal, also when only its id is known."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from connector.cda.codec import parse
from connector.exchange.documents import Content
from connector.exchange.model import Exchange
from connector.issues import Severity
from connector.pipeline.formats import exchange_parse
from tests.golden.journeys_kit import ROOT, context, translator

OLD = "1.2.250.1.213.1.4.10.9.55"


def replacement(**changes: object) -> Exchange:
    """The example « Envoyer un document » as a replacement."""
    made = exchange_parse((ROOT / "tests/golden/exchanges/document/exchange.json").read_bytes()).value
    assert made is not None
    content = Content(media_type="text/plain", data=b"abc")
    document = replace(made.documents[0], content=content, body=None, replaces=OLD, **changes)  # type: ignore[arg-type]
    return replace(made, intent="replace", documents=(document,))


@pytest.mark.parametrize(
    ("said", "set_id", "version", "parent", "told"),
    [
        ({"set_id": "1.2.250.1.213.1.4.10.9.50", "version": "4"}, "1.2.250.1.213.1.4.10.9.50", "4", "3", []),
        ({"set_id": None, "version": None}, OLD, "2", "1", ["DOCUMENT_SET"]),
        ({"set_id": None, "version": "3"}, OLD, "3", "2", ["DOCUMENT_SET"]),
        ({"set_id": "1.2.3", "version": "1"}, "1.2.3", "1", None, []),
    ],
)
def test_a_replacement_names_what_it_replaces(
    said: dict[str, str | None], set_id: str, version: str, parent: str | None, told: list[str]
) -> None:
    written = translator().write(replacement(**said), "cda", context())
    assert written.value is not None
    assert [issue.code for issue in written.issues if issue.severity >= Severity.WARNING] == told
    read = parse(written.value).value
    assert read is not None
    header = read.header
    assert header.value("relatedDocument/@typeCode") == "RPLC"
    assert header.value("relatedDocument/parentDocument/id/@root") == OLD
    assert header.value("relatedDocument/parentDocument/versionNumber/@value") == parent
    back = translator().read(written.value, "cda", context()).exchange
    assert back is not None
    document = back.documents[0]
    assert (back.intent, document.replaces, document.set_id, document.version) == ("replace", OLD, set_id, version)


def test_what_is_written_has_nothing_to_say_against() -> None:
    from connector.pipeline.opinion import opinion

    written = translator().write(replacement(set_id=None, version=None), "cda", context()).value
    assert written is not None
    said = {
        (issue.code, issue.place.path.rpartition("/")[2])
        for issue in opinion(translator(), written, "cda", context())
        if issue.severity > Severity.INFORMATION
    }
    assert said <= {("IDENTIFIER_CHECK", "@extension")}
