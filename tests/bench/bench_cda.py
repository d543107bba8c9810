"""CDA: reading a header, writing one, and large bodies, each beside its floor, in one run.

    python tests/bench/bench_cda.py

The floors are what the same machine does for the bytes alone: libxml2 parsing without anything made of it, base64 of the body. CPU time.
"""

from __future__ import annotations

import sys
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import msgspec
import pybase64
from lxml import etree

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))

from connector import terminology  # noqa: E402
from connector.cda.body import body  # noqa: E402
from connector.cda.checks import check  # noqa: E402
from connector.cda.codec import parse, serialise  # noqa: E402
from connector.cda.document import HEADER, read_document, write_document  # noqa: E402
from connector.cda.shape import SHAPE  # noqa: E402
from connector.demo import demo_document  # noqa: E402
from connector.exchange.documents import Content  # noqa: E402
from connector.exchange.model import Context, Exchange  # noqa: E402
from connector.exchange.moments import Moment  # noqa: E402
from connector.mapping.catalogue import load_library  # noqa: E402
from connector.mapping.language import Run  # noqa: E402

NOW = Moment("2026-03-04T05:06:07+01:00")
SECTION = "<component><section><code code='1'/><title>Titre</title><text><paragraph>Un paragraphe de texte.</paragraph></text></section></component>"


def best(call: Callable[[], object], times: int) -> float:
    """The least CPU time of some calls, in microseconds."""
    took = []
    for _ in range(times):
        started = time.process_time_ns()
        call()
        took.append(time.process_time_ns() - started)
    return min(took) / 1000


def line(what: str, ours: float, floor: float | None = None, goal: str = "") -> None:
    print(
        f"{what:<58} {ours:>10.0f} µs"
        + (f"   floor {floor:>8.0f} µs" if floor is not None else "")
        + (f"   goal {goal}" if goal else "")
    )


def main() -> None:
    tables = terminology.load({f"terminology/{p.name}": p.read_text() for p in (ROOT / "terminology").glob("*.csv")})
    files = {f"mappings/cda/{p.name}": p.read_text() for p in (ROOT / "mappings" / "cda").glob("*.yaml")}
    library = load_library(files, {"cda": SHAPE}, tables)
    context = Context(now=NOW, table=tables.table, systems=tables.systems)
    mapping = library.mapping(HEADER)

    raw = demo_document(NOW, "2.25.42")
    read = read_document(raw, Run(context), library).value
    assert read is not None
    clinical = read.clinical
    pdf = body(clinical).value
    start, end = raw.index(b"<nonXMLBody>"), raw.index(b"</nonXMLBody>") + len(b"</nonXMLBody>")
    structured = raw[:start] + b"<structuredBody>" + SECTION.encode() * 700 + b"</structuredBody>" + raw[end:]

    def exchange(content: Content | None) -> Exchange:
        assert read is not None
        document = msgspec.structs.replace(read.document, content=None, body=content)
        return Exchange(documents=(document,), patient=read.patient, encounter=read.encounter)

    small, large = (
        exchange(pdf),
        exchange(Content(media_type="application/pdf", data=b"%PDF-1.4\n" + bytes(10_000_000))),
    )
    written = write_document(large, Run(context), library).value
    assert written is not None
    print(f"N1 header of {len(raw)} bytes; N3 of {len(structured)} bytes; N1 around 10 MB: {len(written)} bytes\n")
    line("parse an N1", best(lambda: parse(raw), 200), best(lambda: etree.fromstring(raw), 200))
    line("  its header to the Exchange", best(lambda: mapping.read(clinical.header, Run(context)), 200))
    line("  its checks", best(lambda: check(clinical, tables=tables.table), 200))
    line("  all of it", best(lambda: read_document(raw, Run(context), library), 200))
    line(
        "parse an N3 of 100 kB, header as a tree",
        best(lambda: parse(structured), 50),
        best(lambda: etree.fromstring(structured), 50),
        "1500",
    )
    line("write a header", best(lambda: serialise(mapping.write(small, Run(context))), 200), None, "350")
    line("  with completion and strict checks", best(lambda: write_document(small, Run(context), library), 200))
    line(
        "write around a PDF of 10 MB",
        best(lambda: write_document(large, Run(context), library), 5),
        best(lambda: pybase64.b64encode(bytes(10_000_000)), 5),
        "60000",
    )
    line(
        "read a CDA with a PDF of 10 MB (body checked)", best(lambda: read_document(written, Run(context), library), 5)
    )
    line("  its body decoded and hashed", best(lambda: body(written), 3))
    huge = write_document(
        exchange(Content(media_type="application/pdf", data=b"%PDF-1.4\n" + bytes(56_000_000))), Run(context), library
    ).value
    assert huge is not None
    tracemalloc.start()
    read_document(huge, Run(context), library)
    print(
        f"\npeak memory while reading {len(huge) / 1e6:.0f} MB: {tracemalloc.get_traced_memory()[1] / 1e6:.1f} MB beside the document"
    )


if __name__ == "__main__":
    main()
