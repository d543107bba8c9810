"""HL7 v2: parsing, reading into an Exchange and writing back, each beside a floor and the peers that pip can install, in one run.

    python tests/bench/bench_hl7.py

The floor splits the text at separators and does nothing else. Peers (`hl7`, `hl7apy`) are measured when they are installed. CPU time.
"""

from __future__ import annotations

import importlib.util
import sys
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pybase64

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))

from connector import terminology  # noqa: E402
from connector.exchange.model import Context  # noqa: E402
from connector.exchange.moments import Moment  # noqa: E402
from connector.hl7.codec import header, parse, serialise  # noqa: E402
from connector.hl7.message import Message  # noqa: E402
from connector.hl7.shape import Hl7Shape  # noqa: E402
from connector.hl7.structure import nested  # noqa: E402
from connector.mapping.catalogue import Library, load_library  # noqa: E402
from connector.mapping.language import Run  # noqa: E402

GOLDEN = ROOT / "tests" / "golden" / "hl7"
ADT = (GOLDEN / "ADT_A01" / "admission" / "in.hl7").read_bytes()
MDM = (GOLDEN / "MDM_T02" / "report-to-dmp-and-professional" / "in.hl7").read_bytes()
ORU = (
    b"MSH|^~\\&|LAB|HOSP|A|B|20260115||ORU^R01^ORU_R01|1|P|2.5|||||FRA|UNICODE UTF-8\rPID|||1^^^A^PI||X^Y||1970|F\rPV1||I\rOBR|1\r"
    + b"".join(b"OBX|%d|NM|%d-1^Dosage^LN||%d|mg/L|1-2|N|||F\r" % (n, n, n) for n in range(60))
)


def best(call: Callable[[], object], times: int) -> float:
    """The least CPU time of some calls, in microseconds."""
    took = []
    for _ in range(times):
        started = time.process_time_ns()
        call()
        took.append(time.process_time_ns() - started)
    return min(took) / 1000


def line(what: str, ours: float, goal: str = "", **others: float) -> None:
    beside = "".join(f"   {name} {figure:,.1f} µs" for name, figure in others.items())
    print(f"{what:<44} {ours:>9.1f} µs   goal {goal or '-':<9}{beside}")


def twelve(raw: bytes) -> list[str]:
    message = parse(raw).value
    assert message is not None
    msh, pid, last = message.first("MSH"), message.first("PID"), message.segments[-1]
    assert msh is not None
    assert pid is not None
    return [
        *(msh.text(number) for number in (3, 9, 10, 12)), msh.text(9, 2), *(pid.text(number) for number in (3, 5, 7, 8)),
        pid.text(3, 4), pid.text(5, 2), last.text(1),
    ]  # fmt: skip


def floor(raw: bytes) -> list[list[str]]:
    return [segment.split("|") for segment in raw.decode().split("\r")]


def with_document(size: int) -> bytes:
    data = pybase64.b64encode(b"<a/>" * (size * 3 // 16))
    return MDM.replace(MDM.split(b"^XML^Base64^")[1].split(b"|")[0], data, 1)


def peers(raw: bytes, times: int) -> dict[str, float]:
    text = raw.decode()
    found: dict[str, float] = {}
    if importlib.util.find_spec("hl7"):
        import hl7

        found["hl7"] = best(lambda: hl7.parse(text), times)
    if importlib.util.find_spec("hl7apy"):
        from hl7apy.parser import parse_message

        found["hl7apy"] = best(lambda: parse_message(text, find_groups=False), 2)
    return found


def mapped(library: Library, context: Context, raw: bytes) -> tuple[Callable[[], object], Callable[[], object]]:
    head = header(raw)
    name = library.catalogue.find("hl7", f"{head.type}^{head.event}", head.version, head.profile)
    assert name is not None
    mapping = library.mapping(name)

    def tree() -> Message:
        message = parse(raw).value
        assert message is not None
        nested(message, mapping.spec.structure or "")
        return message

    exchange = mapping.read(tree(), Run(context))
    return (
        lambda: mapping.read(tree(), Run(context)),
        lambda: serialise(mapping.write(exchange, Run(context))),
    )


def main() -> None:
    tables = terminology.load({path.name: path.read_text() for path in (ROOT / "terminology").glob("*.csv")})
    files = {
        path.relative_to(ROOT).as_posix(): path.read_text() for path in (ROOT / "mappings" / "hl7").rglob("*.yaml")
    }
    library = load_library(files, {"hl7": Hl7Shape()}, tables)
    context = Context(now=Moment("2026-01-15T10:00:00+01:00"), table=tables.table, systems=tables.systems)
    line(
        "parse + 12 reads, ADT 1 kB",
        best(lambda: twelve(ADT), 500),
        "30",
        floor=best(lambda: floor(ADT), 500),
        **peers(ADT, 50),
    )
    line(
        "parse + 12 reads, ORU 60 OBX",
        best(lambda: twelve(ORU), 300),
        "80",
        floor=best(lambda: floor(ORU), 300),
        **peers(ORU, 20),
    )
    for size, goal, times in ((300_000, "40", 200), (10_000_000, "1,500", 20)):
        raw = with_document(size)
        found = best(lambda raw=raw: parse(raw), times)  # type: ignore[misc]
        line(f"parse, document of {size:,} bytes", found, goal, floor=best(lambda raw=raw: raw.split(b"\r"), times))  # type: ignore[misc]
    raw = with_document(10_000_000)
    tracemalloc.start()
    message = parse(raw).value
    print(f"memory that the 10 MB message costs once parsed: {tracemalloc.get_traced_memory()[1] / 1000:,.0f} kB")
    tracemalloc.stop()
    assert message is not None
    for what, raw in (("ADT", ADT), ("MDM 5 kB", MDM), ("MDM 300 kB", with_document(300_000))):
        read, write = mapped(library, context, raw)
        line(f"{what}: parsed and read into an Exchange", best(read, 200))
        line(f"{what}: written from an Exchange", best(write, 200))


if __name__ == "__main__":
    main()
