"""CDA: a header read and written, to FHIR, and large bodies in time and memory, each beside its floor, in one run.

    python tests/bench/bench_cda.py [FILE.xml…]

The floors are what the same machine does for the bytes alone: libxml2 parsing without anything made of it, base64 of the body, JSON of the
resources. CPU time. Memory is the most that a process of its own needed beyond what it held before (VmHWM), the result included.
Files that are named are measured too.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import orjson
import pybase64
from lxml import etree

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))

from connector.app.compiled import Compiled, compile_site  # noqa: E402
from connector.cda.body import body  # noqa: E402
from connector.cda.checks import check  # noqa: E402
from connector.cda.codec import parse, serialise  # noqa: E402
from connector.cda.document import HEADER, read_document, write_document  # noqa: E402
from connector.demo import demo_document  # noqa: E402
from connector.exchange.documents import Content  # noqa: E402
from connector.exchange.model import Context, Exchange  # noqa: E402
from connector.exchange.moments import Moment  # noqa: E402
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


def line(what: str, ours: float, floor: float | None = None, goal: str = "", unit: str = "µs") -> None:
    print(
        f"{what:<62} {ours:>9.0f} {unit}"
        + (f"   floor {floor:>8.0f} {unit}" if floor is not None else " " * 20)
        + (f"   goal {goal}" if goal else "")
    )


class Bench:
    """The site and the documents that are measured."""

    def __init__(self) -> None:
        self.site: Compiled = compile_site()
        self.mappings = self.site.mappings
        self.context = Context(now=NOW, table=self.site.tables.table, systems=self.site.tables.systems)
        self.n1 = demo_document(NOW, "2.25.42")
        read = read_document(self.n1, self.run(), self.mappings).value
        assert read is not None
        self.read = read

    def run(self) -> Run:
        return Run(self.context)

    def structured(self, raw: bytes, size: int = 100_000) -> bytes:
        """The document with sections in place of its body, as long as wanted."""
        start, end = raw.index(b"<nonXMLBody>"), raw.index(b"</nonXMLBody>") + len(b"</nonXMLBody>")
        sections = SECTION.encode() * ((size - start) // len(SECTION))
        return raw[:start] + b"<structuredBody>" + sections + b"</structuredBody>" + raw[end:]

    def exchange(self, size: int | None = None) -> Exchange:
        """The demonstration document as an Exchange, around its own PDF or one of a size."""
        content = body(self.read.clinical).value
        if size is not None:
            content = Content(media_type="application/pdf", data=b"%PDF-1.4\n" + bytes(size))
        document = msgspec.structs.replace(self.read.document, content=None, body=content)
        return Exchange(documents=(document,), patient=self.read.patient, encounter=self.read.encounter)

    def write(self, exchange: Exchange) -> bytes:
        written = write_document(exchange, self.run(), self.mappings).value
        assert written is not None
        return written


def grown(subject: str) -> tuple[float, float]:
    """MB that a subject needed at its peak, and the size in MB of what it made or read, in a process of its own."""
    out = subprocess.run(
        [sys.executable, __file__, "--memory", subject], check=True, capture_output=True, text=True
    ).stdout
    peak, size = out.split()
    return float(peak), float(size)


def memory(subject: str) -> None:
    bench = Bench()
    bench.write(bench.exchange())  # what is loaded at a first document
    if subject == "write":
        exchange = bench.exchange(10_000_000)
        before = _peak()
        made = bench.write(exchange)
    else:
        made = bench.write(bench.exchange(56_000_000))
        before = _peak()
        read_document(made, bench.run(), bench.mappings)
    print((_now("VmHWM") - before) / 1e6, len(made) / 1e6)


def _peak() -> int:
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    return _now("VmRSS")


def _now(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(each.split()[1]) for each in lines if each.startswith(name)) * 1024


def header(bench: Bench) -> None:
    raw, clinical = bench.n1, bench.read.clinical
    mapping = bench.mappings.mapping(HEADER)
    line("parse an N1", best(lambda: parse(raw), 200), best(lambda: etree.fromstring(raw), 200))
    line("  its header to the Exchange", best(lambda: mapping.read(clinical.header, bench.run()), 200))
    line("  its checks", best(lambda: check(clinical, tables=bench.site.tables.table), 200))
    line("  all of it", best(lambda: read_document(raw, bench.run(), bench.mappings), 200))
    small = bench.exchange()
    tree = mapping.write(small, bench.run())
    line(
        "write a header",
        best(lambda: serialise(mapping.write(small, bench.run())), 200),
        best(lambda: serialise(tree), 200),
        "350",
    )
    line("  with completion and strict checks", best(lambda: write_document(small, bench.run(), bench.mappings), 200))


def structured(bench: Bench, name: str, raw: bytes) -> None:
    """The header of an N3 alone, all of it, and what it is in FHIR."""
    floor = best(lambda: etree.fromstring(raw), 50)
    line(
        f"read the header of {name}",
        best(lambda: read_document(raw, bench.run(), bench.mappings, header_only=True), 50),
        floor,
        "1500",
    )
    line(
        "  and see that its sections are XML", best(lambda: read_document(raw, bench.run(), bench.mappings), 50), floor
    )
    for what, asked in (("to FHIR", {}), ("… with its sections and their entries", {"sections": "true"})):
        using = msgspec.structs.replace(bench.context, options=asked)
        made = bench.site.translator.convert(raw, "cda", "fhir", using).value
        if made is None:
            print("  does not become FHIR: refused")
            return
        bundle = orjson.loads(made)
        line(
            f"  {what} ({len(made) // 1000} kB)",
            best(lambda using=using: bench.site.translator.convert(raw, "cda", "fhir", using), 50),
            floor + best(lambda bundle=bundle: orjson.dumps(bundle), 50),
            "4000",
        )


def large(bench: Bench) -> None:
    exchange = bench.exchange(10_000_000)
    pdf = exchange.documents[0].body
    assert pdf is not None
    assert pdf.data is not None
    data = pdf.data
    line(
        "write around a PDF of 10 MB",
        best(lambda: bench.write(exchange), 5),
        best(lambda: pybase64.b64encode(data), 5),
        "60000",
    )
    raw = bench.write(exchange)
    line(
        "read a CDA with a PDF of 10 MB (body checked)",
        best(lambda: read_document(raw, bench.run(), bench.mappings), 5),
    )
    line("  its body decoded and hashed", best(lambda: body(raw), 3))
    peak, size = grown("write")
    line("memory to write around a PDF of 10 MB", peak, size, "25", "MB")
    peak, size = grown("read")
    line(f"memory to read a CDA of {size:.0f} MB", peak, 0, "1", "MB")


def main(files: list[str]) -> None:
    bench = Bench()
    header(bench)
    structured(bench, "an N3 of 100 kB", bench.structured(bench.n1))
    full = (ROOT / "tests" / "golden" / "cda" / "n1-everything" / "in.cda.xml").read_bytes()
    structured(bench, "the same with every header field (12 kB)", bench.structured(full))
    for file in files:
        raw = Path(file).read_bytes()
        structured(bench, f"{Path(file).stem[:28]} ({len(raw) // 1000} kB)", raw)
    large(bench)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--memory"]:
        memory(sys.argv[2])
    else:
        main(sys.argv[1:])
