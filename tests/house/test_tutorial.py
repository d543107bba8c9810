"""docs/tutorial/the-five-exchanges.md is made of the golden exchanges: what a user posts, what comes out, and the way back (`--update-golden`)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import orjson
import pytest
from msgspec.structs import replace

from connector.app import Workbench
from connector.exchange.content import each_content
from connector.exchange.model import Exchange
from connector.monsisra.codec import parse
from connector.settings import settings_from

PAGE = "docs/tutorial/the-five-exchanges.md"
CASES = {
    "conversation": "Conversation: a thread between MonSisra users, with a photo, a video meeting, a later member and its synthesis",
    "teleexpertise": "Téléexpertise: a request to a declared expert, its form, its life and the opinion",
    "document": "Envoyer un document: an ordonnance, the three sharing boxes ticked",
    "mail": "Mail sécurisé: a letter to a colleague of another secure mail",
    "mon-espace-sante": "Mon Espace Santé: an ordonnance to the patient",
    "mon-espace-sante-fin": "Mon Espace Santé: the channel is closed with `[FIN]`",
}
_WIDE = 118
_HEAD = """# The five exchanges, one by one

For each mode of MonSisra: the JSON that is posted, what it becomes in FHIR R4, HL7 v2 and CDA, and the way back. Everything below is
made by the connector from `tests/golden/exchanges`; a test makes this page anew and compares. Bytes of documents are cut (`…`). Test
identities only.

```
curl -H 'content-type: application/vnd.monsisra.exchange+json' --data-binary @exchange.json http://127.0.0.1:8080/exchanges
connector convert exchange.json --to fhir          # or hl7, cda, hprim; and back: connector convert bundle.json --to exchange
```

What each format can say of an exchange, and the few fields that it cannot: [FHIR](../reference/fhir-losses.md),
[HL7 v2](../reference/hl7-losses.md), [CDA](../reference/cda-losses.md). The profile itself: [reference](../reference/exchange-profile.md).
"""


@pytest.fixture(scope="module")
def bench() -> Workbench:
    values: dict[str, Any] = {
        "site": "tutorial",
        "environment": "test",
        "monsisra": {"domains": ["monsisra.example.test"]},
    }
    return Workbench(settings_from(values, Path("/")), fixed=True)


def exchange_of(root: Path, case: str) -> bytes:
    return (root / "tests" / "golden" / "exchanges" / case / "exchange.json").read_bytes()


def test_the_page_says_what_the_connector_does(bench: Workbench, root: Path, request: pytest.FixtureRequest) -> None:
    text = _HEAD + "".join(_case(bench, title, exchange_of(root, case)) for case, title in CASES.items())
    path = root / PAGE
    if request.config.getoption("--update-golden"):
        path.write_text(text, encoding="utf-8")
    assert path.read_text(encoding="utf-8") == text, "run `make golden` and read the difference"


@pytest.mark.parametrize("case", CASES)
def test_the_way_back_through_fhir_gives_the_same_exchange(case: str, bench: Workbench, root: Path) -> None:
    raw = exchange_of(root, case)
    there = bench.convert(raw, "fhir", "exchange").value
    assert there is not None
    back = bench.convert(there, "exchange", "fhir").value
    assert back is not None
    assert _said(back) == _said(raw)


def _said(raw: bytes) -> Exchange:
    """The exchange as it was said: sizes, hashes and the class of a document follow from it."""
    exchange = parse(raw).value
    assert exchange is not None
    exchange = each_content(exchange, lambda _, content, __: replace(content, size=None, sha1=None, sha256=None))
    return replace(exchange, documents=tuple(replace(each, category=None) for each in exchange.documents))


def _case(bench: Workbench, title: str, raw: bytes) -> str:
    posted = _cut(orjson.loads(raw))
    fhir = orjson.loads(bench.convert(raw, "fhir", "exchange").value or b"{}")
    return "\n".join(
        [
            f"\n## {title}\n",
            "```json", _compact(posted), "```", "",
            "As FHIR R4:", "", "```", *_resources(fhir), "```", "",
            "As HL7 v2:", "", *_fenced(_segments(bench, raw)),
            "As CDA:", "", *_fenced(_document(bench, raw)),
            "And back: the transaction above, read again, gives the same exchange.", "",
        ]
    )  # fmt: skip


def _fenced(lines: list[str]) -> list[str]:
    return ["```", *lines, "```", ""] if len(lines) > 1 else [*lines, ""]


def _cut(node: Any) -> Any:
    if isinstance(node, dict):
        return {key: value[:12] + "…" if key == "data" else _cut(value) for key, value in node.items()}
    return [_cut(each) for each in node] if isinstance(node, list) else node


def _compact(node: Any, indent: int = 0) -> str:
    """JSON on as few lines as fit."""
    line = json.dumps(node, ensure_ascii=False)
    if len(line) + indent <= _WIDE or not isinstance(node, dict | list) or not node:
        return line
    pad = " " * (indent + 2)
    if isinstance(node, list):
        inner = [f"{pad}{_compact(each, indent + 2)}" for each in node]
        return "[\n" + ",\n".join(inner) + "\n" + " " * indent + "]"
    inner = [f"{pad}{json.dumps(key)}: {_compact(value, indent + 2)}" for key, value in node.items()]
    return "{\n" + ",\n".join(inner) + "\n" + " " * indent + "}"


def _resources(bundle: dict[str, Any]) -> list[str]:
    lines = []
    for entry in bundle["entry"]:
        resource = entry["resource"]
        line = f"{resource['resourceType']:<22}{_gist(resource)}".rstrip()
        lines.append(line if len(line) <= _WIDE else line[: _WIDE - 1] + "…")
    return lines


def _gist(resource: dict[str, Any]) -> str:
    """What tells one resource from another of its kind."""
    category = [coding["code"] for each in _list(resource.get("category")) for coding in each.get("coding", ())]
    payload = [each.get("contentString", "").replace("\n", " ") for each in resource.get("payload", ())]
    name = resource.get("name")
    named = name if isinstance(name, str) else " ".join(each.get("family", "") for each in _list(name))
    parts = [
        resource.get("status", ""), *category[:1], resource.get("sent", ""), *payload[:1], named,
        resource.get("description", ""), resource.get("title", ""),
        resource.get("businessStatus", {}).get("text", "") or _display(resource.get("businessStatus")),
        _display(resource.get("code")), resource.get("contentType", ""),
    ]  # fmt: skip
    return "  ".join(part for part in parts if part)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _display(concept: Any) -> str:
    return next((coding.get("display", coding.get("code", "")) for coding in (concept or {}).get("coding", ())), "")


def _segments(bench: Workbench, raw: bytes) -> list[str]:
    made = bench.convert(raw, "hl7", "exchange")
    if made.value is None:
        return [f"Nothing: {made.issues[-1].text()}."]
    lines = made.value.decode("utf-8").rstrip("\r").split("\r")
    return [line if len(line) <= _WIDE else line[: _WIDE - 1] + "…" for line in lines]


def _document(bench: Workbench, raw: bytes) -> list[str]:
    shown = bench.show(raw).value
    if shown is None:
        return ["Nothing: a CDA is about a patient and has a document."]
    lines = [shown.title, *(f"  {label:<18}{value}" for label, value in shown.head)]
    for part in shown.parts:
        lines += [
            "",
            "  " * part.level + part.title,
            *("  " * part.level + "  " + line for line in part.text.splitlines()),
        ]
    if shown.body is not None:
        lines += ["", f"  {shown.body.media_type}, {shown.body.size} bytes"]
    return [line if len(line) <= _WIDE else line[: _WIDE - 1] + "…" for line in lines]
