"""The rows: what is measured, how, beside whom, and what is wanted of us."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from tests.bench.attachments import posted
from tests.bench.running import CONNECTOR, HERE, ROOT, Running, connector, json_of, memory_mb, other

__all__ = ["ROWS", "Measured", "Row", "Site"]


@dataclass(frozen=True)
class Site:
    """What a measurement needs: the messages, the interpreters of the peers, and how long."""

    messages: Mapping[str, Path]
    python: Mapping[str, Path]
    seconds: float


@dataclass(frozen=True)
class Measured:
    """A figure and what else was seen."""

    figure: float
    more: Mapping[str, Any] = field(default_factory=dict)


Measure = Callable[[Site], Measured]


@dataclass(frozen=True)
class Row:
    """`who` maps "ours", "floor" and names of peers to what measures them; `higher` figures are better. `rounds`: everybody in turn, so often."""

    name: str
    title: str
    unit: str
    goal: float
    who: Mapping[str, Measure]
    higher: bool = False
    rounds: int = 2


def cpu(subject: str, message: str, peer: str = "", scale: float = 1.0) -> Measure:
    """CPU time of a subject, in its own process (in its own environment for a peer)."""

    def measure(site: Site) -> Measured:
        python = str(site.python[peer]) if peer else sys.executable
        environment = [] if peer else ["env", f"PYTHONPATH={ROOT}"]
        command = [
            *environment,
            python,
            str(HERE / "subjects.py"),
            subject,
            str(site.messages[message]),
            str(site.seconds),
        ]
        found = json_of(command)
        return Measured(
            found["us"] * scale, {"grown_mb": round(found["grown_mb"], 1), "rss_mb": round(found["rss_mb"])}
        )

    return measure


def acks(connections: int) -> Mapping[str, Measure]:
    """ACK rates of ours, the floor and a peer under the same load."""

    def of(server: Callable[[Site], Any], site: Site) -> Measured:
        with server(site) as running:
            return _acks(running, site, connections)

    return {
        "ours": partial(of, lambda _: connector()),
        "floor": partial(of, lambda _: other("group", Path(sys.executable))),
        "hl7": partial(of, lambda site: other("hl7", site.python["hl7"])),
    }


def _acks(running: Running, site: Site, connections: int) -> Measured:
    running.load(site.messages["adt"], connections, 0.5)
    found = running.load(site.messages["adt"], connections, site.seconds)
    assert set(found["codes"]) <= {"AA", "CA"}, found["codes"]
    return Measured(found["acks_per_s"], _seen(found))


def _seen(found: Mapping[str, Any]) -> dict[str, Any]:
    names = {"p50_ms": 1, "p99_ms": 1, "cpu_ms": 2, "peak_mb": 0, "delivered_per_s": 0, "duplicates": 0}
    return {name: round(found[name], digits) for name, digits in names.items() if name in found}


def delivered(message: str, persons: int, connections: int = 8) -> Measure:
    """The whole way to a sink: received, mapped, durable, answered, delivered, acknowledged, settled. Delivered messages a second."""

    def measure(site: Site) -> Measured:
        with connector() as running:
            found = running.load(site.messages[message], connections, site.seconds, persons=persons)
        assert set(found["codes"]) <= {"AA", "CA"}, found["codes"]
        assert found["delivered"] == found["messages"], found
        return Measured(found["delivered_per_s"], {"acks_per_s": round(found["acks_per_s"]), **_seen(found)})

    return measure


def durable(site: Site) -> Measured:
    """Messages with a document of 300 kB, answered once they are safe, and delivered; the most memory that was needed."""
    with connector() as running:
        found = running.load(site.messages["mdm300k"], 8, site.seconds, persons=1)
    assert set(found["codes"]) <= {"AA", "CA"}, found["codes"]
    return Measured(found["acks_per_s"], _seen(found))


def durable_of(kind: str, peer: str) -> Measure:
    """The same of another server, which delivers nothing."""

    def measure(site: Site) -> Measured:
        with other(kind, site.python[peer] if peer else Path(sys.executable)) as running:
            found = running.load(site.messages["mdm300k"], 8, site.seconds, persons=1)
        return Measured(found["acks_per_s"], _seen(found))

    return measure


def large(site: Site) -> Measured:
    """One 10 MB message end to end: what the process grew by at its peak, over the size of the message."""
    with connector() as running:
        before = memory_mb(running.pid)
        found = running.load(site.messages["mdm10m"], 1, 60, persons=1, most=1)
        grown = memory_mb(running.pid, "VmHWM") - before
    assert found["delivered"] == 1, found
    size = site.messages["mdm10m"].stat().st_size / (1 << 20)
    return Measured(
        grown / size, {"grown_mb": round(grown, 1), "size_mb": round(size, 1), "ack_ms": round(found["p99_ms"])}
    )


def attachment(kind: str) -> Measure:
    """POST of a 24 MB attachment: what the process grew by until it answered, over the size of the attachment."""

    def measure(_: Site) -> Measured:
        found = posted(kind)
        return Measured(found.pop("grown"), found)

    return measure


def idle(_: Site) -> Measured:
    """Resident memory of `connector serve` that has listened for a second."""
    with connector() as running:
        time.sleep(1)
        return Measured(memory_mb(running.pid))


def child_cpu(*command: str) -> Measure:
    """CPU seconds of a command, the best of three."""

    def measure(_: Site) -> Measured:
        took = []
        for _again in range(3):
            before = os.times()
            subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            after = os.times()
            took.append(after.children_user + after.children_system - before.children_user - before.children_system)
        return Measured(min(took))

    return measure


_PARSE = ("parse, MDM with a document of ", "µs")
_TO_PARSE = {name: cpu(name, "adt", name) for name in ("hl7", "hl7apy", "hl7types")}

ROWS: tuple[Row, ...] = (
    Row("parse-adt", "parse + 12 reads, ADT 1 kB", "µs", 30, {"ours": cpu("ours", "adt"), "floor": cpu("floor", "adt"), **_TO_PARSE}),
    Row(
        "parse-oru", "parse + 12 reads, ORU 60 OBX", "µs", 80,
        {"ours": cpu("ours", "oru"), "floor": cpu("floor", "oru"), **{name: cpu(name, "oru", name) for name in _TO_PARSE}},
    ),
    Row(
        "parse-mdm300k", f"{_PARSE[0]}300 kB", "µs", 40,
        {"ours": cpu("parse_ours", "mdm300k"), "floor": cpu("parse_floor", "mdm300k"), "hl7": cpu("parse_hl7", "mdm300k", "hl7")},
    ),
    Row(
        "parse-mdm10m", f"{_PARSE[0]}10 MB", "ms", 1.5,
        {
            "ours": cpu("parse_ours", "mdm10m", scale=1e-3), "floor": cpu("parse_floor", "mdm10m", scale=1e-3),
            "hl7": cpu("parse_hl7", "mdm10m", "hl7", 1e-3),
        },
    ),
    Row("fhir-mdm300k", "MDM 300 kB → DocumentReference + Binary", "ms", 1.0, {"ours": cpu("fhir_ours", "mdm300k", scale=1e-3), "floor": cpu("fhir_floor", "mdm300k", scale=1e-3)}),
    Row("fhir-mdm10m", "MDM 10 MB → DocumentReference + Binary", "ms", 25, {"ours": cpu("fhir_ours", "mdm10m", scale=1e-3), "floor": cpu("fhir_floor", "mdm10m", scale=1e-3)}),
    Row(
        "fhir-adt", "ADT → FHIR, Bundle as JSON", "µs", 250,
        {"ours": cpu("fhir_plain", "adt"), "floor": cpu("by_hand", "adt"), "v2fhir": cpu("v2fhir", "adt", "v2fhir")},
    ),
    Row("fhir-adt-checked", "… checked", "µs", 500, {"ours": cpu("fhir_checked", "adt"), "v2fhir": cpu("v2fhir_checked", "adt", "v2fhir")}),
    Row(
        "fhir-oru", "ORU 60 OBX → 60 Observations", "ms", 2,
        {
            "ours": cpu("fhir_plain", "oru", scale=1e-3), "floor": cpu("by_hand", "oru", scale=1e-3),
            "brightohir": cpu("brightohir", "oru", "brightohir", 1e-3),
        },
    ),
    Row("fhir-oru-checked", "… checked", "ms", 4, {"ours": cpu("fhir_checked", "oru", scale=1e-3)}),
    Row("fhir-document", "Exchange → FHIR, a document without its bytes", "µs", 300, {"ours": cpu("fhir_exchange", "document")}),
    Row("fhir-document-full", "… with two recipients, boxes and typist", "µs", 300, {"ours": cpu("fhir_exchange", "document-full")}),
    Row(
        "fhir-resource", "one resource built, checked, dumped (Patient)", "µs", 15,
        {"ours": cpu("fhir_resource", "document"), "fhir.resources": cpu("fhir_models", "document")},
    ),
    Row("ack-1", "ACK after an fsynced commit, 1 connection", "per s", 1000, acks(1), higher=True),
    Row("ack-8", "ACK after an fsynced commit, 8 connections", "per s", 3000, acks(8), higher=True),
    Row("ack-64", "ACK after an fsynced commit, 64 connections", "per s", 6000, acks(64), higher=True),
    Row("e2e", "delivered end to end, 8 connections, 200 patients", "per s", 1200, {"ours": delivered("adt", 200)}, higher=True),
    Row("e2e-one", "delivered end to end, one patient (one lane)", "per s", 1200, {"ours": delivered("adt", 1)}, higher=True),
    Row(
        "mdm300k", "MDM 300 kB durable, 8 connections", "per s", 300,
        {"ours": durable, "floor": durable_of("group", ""), "hl7": durable_of("hl7", "hl7")}, higher=True,
    ),
    Row("mdm10m", "10 MB end to end: peak memory over size", "×", 3, {"ours": large}),
    Row("post-form", "POST of a form with a file of 24 MB: peak memory over size", "×", 1.5, {"ours": attachment("form")}),
    Row("post-inline", "POST of 24 MB as base64: peak memory over size", "×", 2.5, {"ours": attachment("inline")}),
    Row("import", "import of the product, CPU", "s", 0.5, {"ours": child_cpu(sys.executable, "-c", "import connector.app"), "floor": child_cpu(sys.executable, "-c", "pass")}),
    Row("help", "`connector --help`, CPU", "s", 0.5, {"ours": child_cpu(str(CONNECTOR), "--help"), "floor": child_cpu(sys.executable, "-c", "pass")}),
    Row("idle", "idle memory of `connector serve`", "MB", 60, {"ours": idle}, rounds=1),
)  # fmt: skip
