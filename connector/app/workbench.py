"""The pure core with the mappings of a site, for one message at a time: convert, explain, validate, golden cases. No server, no journal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from connector.app.compiled import compile_site, site_context

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connector.exchange.model import Context, Exchange
    from connector.issues import Issue, Outcome
    from connector.monsisra.advice import Advice
    from connector.pipeline.explain import Explanation
    from connector.pipeline.showing import View
    from connector.settings import Settings

__all__ = ["Workbench"]

#: The moment of golden cases: they do not change from one day to the next.
_FIXED = "2026-01-15T10:00:00.000+01:00"

#: A value is shown up to so many characters.
_LONG = 120


class Workbench:
    """Translations with the mappings of a site. `fixed`: the clock stands still (golden cases). Raises what `compile_site` raises."""

    def __init__(self, settings: Settings, *, fixed: bool = False) -> None:
        from connector.engine.clock import SystemClock

        compiled = compile_site(settings)
        self.version = compiled.version
        self._translator = compiled.translator
        context = site_context(settings, compiled.tables)(_FIXED if fixed else SystemClock().now())
        # Who converts by hand sees what a structured document says.
        self._context = replace(context, options={**context.options, "sections": "true"})

    def detect(self, raw: bytes) -> str | None:
        """The format that the bytes look like."""
        from connector.pipeline.formats import detect

        return detect(raw)

    def _shaped(self, shape: str) -> Context:
        return replace(self._context, options={**self._context.options, "shape": shape}) if shape else self._context

    def convert(self, raw: bytes, to: str, origin: str | None = None, *, shape: str = "") -> Outcome[bytes]:
        """Bytes in another format, with every issue of reading and writing. `shape` `document`: FHIR as a document Bundle."""
        return self._translator.convert(raw, origin, to, self._shaped(shape))

    def explain(self, raw: bytes, to: str, origin: str | None = None, *, shape: str = "") -> Outcome[Explanation]:
        """Where each value of the conversion comes from. Places only; of the sections of a CDA only how they are read: to explain each leaf
        of a format that is written, every value of the document is tried."""
        from connector.pipeline.explain import explain

        context = self._shaped(shape)
        if to != "exchange" and (origin or self.detect(raw)) not in ("exchange", "fhir"):
            context = replace(context, options={**context.options, "sections": ""})
        return explain(self._translator, raw, origin, to, context)

    def validate(self, raw: bytes, origin: str | None = None) -> tuple[str, tuple[Issue, ...]]:
        """The format, and everything that is wrong."""
        from connector.issues import Issue, IssueCode, Severity
        from connector.pipeline.opinion import opinion

        known = origin or self.detect(raw)
        if known is None:
            return "?", (Issue.of(Severity.ERROR, IssueCode.NOT_HL7, expected="HL7 v2, CDA, FHIR, Exchange"),)
        return known, opinion(self._translator, raw, known, self._context)

    def show(self, raw: bytes) -> Outcome[View]:
        """A CDA for people: the document itself, or the first one that a message or an exchange holds."""
        from connector.issues import Issue, IssueCode, Outcome, Severity
        from connector.pipeline.showing import view

        known = self.detect(raw)
        if known == "cda":
            return view(raw, self._translator, self._context)
        made = self.convert(raw, "cda", known)
        if made.value is None:
            nothing = (Issue.of(Severity.ERROR, IssueCode.DOCUMENT_MISSING),)
            return Outcome(None, made.issues or nothing)
        return view(made.value, self._translator, self._context)

    def advise(self, draft: Exchange, inactive: Sequence[str] = ()) -> Advice:
        """Which mode, why, and what is missing."""
        from connector.monsisra.advice import advise

        return advise(draft, self._context, inactive=inactive)

    def golden(self, raw: bytes) -> dict[str, bytes]:
        """What a golden case holds: the Exchange (documents by their SHA-256), the issues, the filled places that no rule reads."""
        from connector.exchange.content import detach
        from connector.pipeline.formats import exchange_bytes

        reading = self._translator.read(raw, self.detect(raw) or "hl7", self._context)
        exchange = exchange_bytes(detach(reading.exchange)[0]) if reading.exchange is not None else b"{}\n"
        issues = sorted(f"{issue.severity.name} {issue.code} {issue.place}" for issue in reading.issues)
        explained = self.explain(raw, "exchange")
        unread = explained.value.trace.unused if explained.value is not None else ()
        return {
            "exchange.json": exchange,
            "issues.txt": "".join(f"{line}\n" for line in issues).encode(),
            "unread.txt": "".join(f"{place}\n" for place in unread).encode(),
        }

    def values(self, raw: bytes, to: str, origin: str | None = None) -> dict[str, str]:
        """The values made, by the places that `explain` names; long ones cut. They are the patient's. None for a CDA that leaves as it came."""
        from connector.mapping.language import Run
        from connector.mapping.leaves import value_leaves
        from connector.pipeline.formats import FORMATS

        exchange = self._translator.read(raw, origin or self.detect(raw) or "hl7", self._context).exchange
        if exchange is None or to == "cda":
            return {}
        if to == "exchange":
            return {place: _cut(value) for place, value in value_leaves(exchange)}
        form = FORMATS[to]
        tree = self._translator.write_tree(exchange, form, Run(self._context))
        return {place: _cut(value) for place, value in form.shape.leaves(tree)} if tree is not None else {}


def _cut(value: object) -> str:
    text = f"{len(value)} B" if isinstance(value, bytes | bytearray | memoryview) else str(value)
    return text if len(text) <= _LONG else text[:_LONG] + "…"
