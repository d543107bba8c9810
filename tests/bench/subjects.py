"""One measurement in a process of its own: `subjects.py SUBJECT MESSAGE SECONDS` prints a JSON object.

Standard library and the subject alone, so that it also runs in the environment of a peer. CPU time of the process; the best of batches
of about 20 ms: contention only slows, so the best batch is the machine's own speed.
"""

from __future__ import annotations

import gc
import json
import logging
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

#: What is read after parsing: (segment, field, component).
TWELVE = (
    ("MSH", 9, 1), ("MSH", 9, 2), ("MSH", 10, 1), ("MSH", 12, 1), ("PID", 3, 1), ("PID", 3, 4),
    ("PID", 5, 1), ("PID", 5, 2), ("PID", 7, 1), ("PID", 8, 1), ("PV1", 2, 1), ("PV1", 3, 1),
)  # fmt: skip

Make = Callable[[bytes], Callable[[], Any]]


def best_of_batches(call: Callable[[], Any], seconds: float, batch: float = 0.02) -> float:
    """Microseconds of CPU a call."""
    call()
    started = time.process_time()
    call()
    count = max(1, int(batch / max(time.process_time() - started, 1e-7)))
    gc.collect()
    found: list[float] = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(found) < 3:
        started = time.process_time()
        for _ in range(count):
            call()
        found.append((time.process_time() - started) / count)
    return min(found) * 1e6


# --- parse and twelve reads


def ours(raw: bytes) -> Callable[[], Any]:
    """connector.hl7"""
    from connector.hl7.codec import parse

    def run() -> list[str]:
        message = parse(raw).value
        assert message is not None
        first = {name: message.first(name) for name in ("MSH", "PID", "PV1")}
        return [first[name].text(field, component) for name, field, component in TWELVE]

    return run


def floor(raw: bytes) -> Callable[[], Any]:
    """str.split down to what is read: no escapes, no repetitions, no declared separators."""

    def run() -> list[str]:
        segments = {line[:3]: line.split("|") for line in raw.decode().split("\r") if line}
        read = []
        for name, field, component in TWELVE:
            parts = segments[name][field - (name == "MSH")].split("~", 1)[0].split("^")
            read.append(parts[component - 1] if len(parts) >= component else "")
        return read

    return run


def hl7(raw: bytes) -> Callable[[], Any]:
    """python-hl7"""
    import hl7 as library

    text = raw.decode()

    def run() -> list[str]:
        message = library.parse(text)
        return [message.extract_field(name, 1, field, 1, component) for name, field, component in TWELVE]

    return run


def hl7apy(raw: bytes) -> Callable[[], Any]:
    """hl7apy, tolerant, without groups"""
    from hl7apy.consts import VALIDATION_LEVEL
    from hl7apy.parser import parse_message

    text = raw.decode()

    def run() -> list[str]:
        message = parse_message(text, validation_level=VALIDATION_LEVEL.TOLERANT, find_groups=False)
        read = []
        for name, field, component in TWELVE:
            found = getattr(getattr(message, name.lower())[0], f"{name}_{field}".lower())
            parts = found[0].value.split("^") if len(found) else [""]
            read.append(parts[component - 1] if len(parts) >= component else "")
        return read

    return run


def hl7types(raw: bytes) -> Callable[[], Any]:
    """hl7types, the generic tree"""
    from hl7types.codecs.er7.generic import decode_er7_generic

    text = raw.decode()

    def run() -> list[str]:
        message = decode_er7_generic(text)
        read = []
        for name, field, component in TWELVE:
            parts = message.get_segment(name).get_field(field).repetitions[0].components
            read.append(parts[component - 1].subcomponents[0] if len(parts) >= component else "")
        return read

    return run


# --- parse alone, large documents


def parse_ours(raw: bytes) -> Callable[[], Any]:
    """connector.hl7"""
    from connector.hl7.codec import parse

    return lambda: parse(raw)


def parse_floor(raw: bytes) -> Callable[[], Any]:
    """bytes.split at CR: one copy"""
    return lambda: raw.split(b"\r")


def parse_hl7(raw: bytes) -> Callable[[], Any]:
    """python-hl7"""
    import hl7 as library

    text = raw.decode()
    return lambda: library.parse(text)


# --- MDM to FHIR


def fhir_ours(raw: bytes) -> Callable[[], Any]:
    """The message read, judged by the rules, and written as a Bundle of DocumentReference and Binary"""
    from connector.app import compile_site, site_context
    from connector.settings import settings_from

    settings = settings_from(
        {"site": "bench", "environment": "test", "data": "."}, Path.cwd(), receivers={}, destinations={}
    )
    compiled = compile_site(settings)
    context = site_context(settings, compiled.tables)("2026-03-04T11:00:00+01:00")

    def run() -> bytes:
        reading = compiled.translator.read(raw, "hl7", context)
        assert reading.accepted, [issue.code for issue in reading.issues]
        written = compiled.translator.write(reading.exchange, "fhir", context).value
        assert written is not None
        return written

    return run


def fhir_floor(raw: bytes) -> Callable[[], Any]:
    """base64 decoded, hashed, encoded again, put into a Bundle by orjson: no header read, nothing mapped"""
    import hashlib

    import orjson
    import pybase64

    start = raw.index(b"^Base64^") + 8
    end = raw.index(b"|", start)

    def run() -> bytes:
        document = pybase64.b64decode(memoryview(raw)[start:end], validate=True)
        digest = hashlib.sha1(document, usedforsecurity=False).digest()
        reference = {
            "resourceType": "DocumentReference",
            "content": [{"attachment": {"hash": pybase64.b64encode(digest).decode()}}],
        }
        binary = {"resourceType": "Binary", "contentType": "text/xml", "data": pybase64.b64encode(document).decode()}
        return orjson.dumps({"resourceType": "Bundle", "entry": [{"resource": reference}, {"resource": binary}]})

    return run


SUBJECTS: dict[str, Make] = {
    made.__name__: made
    for made in (ours, floor, hl7, hl7apy, hl7types, parse_ours, parse_floor, parse_hl7, fhir_ours, fhir_floor)
}


def peak_mb() -> float:
    """The most memory that this process had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    subject, message, seconds = sys.argv[1], Path(sys.argv[2]), float(sys.argv[3])
    logging.disable(logging.CRITICAL)
    raw = message.read_bytes()
    call = SUBJECTS[subject](raw)
    before = peak_mb()
    call()
    grown = peak_mb() - before
    print(json.dumps({"us": best_of_batches(call, seconds), "grown_mb": grown, "rss_mb": peak_mb(), "bytes": len(raw)}))


if __name__ == "__main__":
    main()
