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


# --- to FHIR


def site() -> tuple[Any, Any]:
    """The translator of a site without settings of its own, and the Context of a message."""
    from connector.app import compile_site, site_context
    from connector.settings import settings_from

    values = {"site": "bench", "environment": "test", "data": "."}
    settings = settings_from(values, Path.cwd(), receivers={}, destinations={})
    compiled = compile_site(settings)
    return compiled.translator, site_context(settings, compiled.tables)("2026-03-04T11:00:00+01:00")


def _through(raw: bytes, *, rules: bool) -> Callable[[], Any]:
    translator, context = site()

    def run() -> bytes:
        reading = translator.read(raw, "hl7", context, rules=rules)
        assert reading.accepted, [issue.code for issue in reading.issues]
        written = translator.write(reading.exchange, "fhir", context).value
        assert written is not None
        return written

    return run


def fhir_ours(raw: bytes) -> Callable[[], Any]:
    """The message read, judged by the rules, and written as a Bundle"""
    return _through(raw, rules=True)


def fhir_plain(raw: bytes) -> Callable[[], Any]:
    """The message read and written as a Bundle, by no business rule"""
    return _through(raw, rules=False)


def fhir_checked(raw: bytes) -> Callable[[], Any]:
    """The same, and the Bundle checked: names, types, cardinality, required bindings, references"""
    from connector.fhir.validate import check_bundle
    from connector.mapping.language import Run
    from connector.pipeline.formats import FORMATS

    (translator, context), form = site(), FORMATS["fhir"]

    def run() -> bytes:
        exchange = translator.read(raw, "hl7", context, rules=False).exchange
        bundle = translator.write_tree(exchange, form, Run(context))
        assert not check_bundle(bundle)
        return form.serialise(bundle)

    return run


def fhir_exchange(raw: bytes) -> Callable[[], Any]:
    """An Exchange written as a Bundle"""
    import msgspec

    from connector.exchange.model import Exchange

    (translator, context), exchange = site(), msgspec.json.decode(raw, type=Exchange)
    return lambda: translator.write(exchange, "fhir", context).value


def fhir_resource(raw: bytes) -> Callable[[], Any]:
    """The Patient of an Exchange built, checked, dumped"""
    import msgspec

    from connector.exchange.model import Exchange
    from connector.fhir.codec import dump
    from connector.fhir.validate import check
    from connector.mapping.language import Run

    (translator, context), patient = site(), msgspec.json.decode(raw, type=Exchange).patient
    mapping = translator.mappings.mapping("fhir/resources/Patient")

    def run() -> bytes:
        resource = mapping.write(patient, Run(context))
        assert not check(resource)
        return dump(resource)

    return run


def fhir_models(raw: bytes) -> Callable[[], Any]:
    """The same Patient validated and dumped by fhir.resources"""
    import orjson
    from fhir.resources.R4B.patient import Patient

    made = orjson.loads(fhir_resource(raw)())
    return lambda: Patient.model_validate(made).model_dump_json()


def brightohir(raw: bytes) -> Callable[[], Any]:
    """brightohir: a Bundle of R5"""
    from brightohir import v2_to_r5

    text = raw.decode()
    return lambda: v2_to_r5(text)


def _bridge(raw: bytes) -> Callable[[], Any]:
    from v2fhir.config import load_config
    from v2fhir.convert import convert
    from v2fhir.hl7.parser import parse_bytes

    settings = load_config()
    return lambda: convert(parse_bytes(raw), settings).bundle


def v2fhir(raw: bytes) -> Callable[[], Any]:
    """hl7v2-fhir-bridge, without its validation: the Patient and a Provenance"""
    bundle = _bridge(raw)
    return lambda: json.dumps(bundle())


def v2fhir_checked(raw: bytes) -> Callable[[], Any]:
    """hl7v2-fhir-bridge and its validation (fhir.resources)"""
    from v2fhir.validate import validate_bundle

    bundle = _bridge(raw)

    def run() -> str:
        made = bundle()
        validate_bundle(made)
        return json.dumps(made)

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


def by_hand(raw: bytes) -> Callable[[], Any]:
    """What the interpreter allows: str.split, dicts, orjson. No profile, table, escape or issue, and not every field"""
    import hashlib

    import orjson

    def coded(text: str) -> dict[str, Any]:
        code, display, system = (*text.split("^"), "", "")[:3]
        return {"coding": [{"system": f"urn:x:{system}", "code": code, "display": display}]}

    def identifiers(text: str) -> list[dict[str, Any]]:
        found = []
        for each in text.split("~") if text else ():
            parts = each.split("^")
            found.append(
                {"value": parts[0], "system": f"urn:oid:{(*parts[3].split('&'), '')[1] if len(parts) > 3 else ''}"}
            )
        return found

    def names(text: str) -> list[dict[str, Any]]:
        parted = [each.split("^") for each in text.split("~")]
        return [{"family": parts[0], "given": parts[1:3]} for parts in parted]

    def moment(text: str) -> str:
        date = f"{text[:4]}-{text[4:6]}-{text[6:8]}"
        return f"{date}T{text[8:10]}:{text[10:12]}:{text[12:14]}{text[-5:-2]}:{text[-2:]}" if len(text) > 8 else date

    def person(text: str) -> dict[str, Any]:
        return {"resourceType": "Practitioner", "identifier": identifiers(text), "name": names(text.partition("^")[2])}

    def observation(fields: list[str], patient: dict[str, str]) -> dict[str, Any]:
        unit = fields[6].split("^")
        return {
            "resourceType": "Observation", "status": "final", "code": coded(fields[3]), "subject": patient,
            "effectiveDateTime": moment(fields[14]), "valueQuantity": {"value": float(fields[5]), "unit": unit[1], "code": unit[0]},
            "interpretation": [coded(fields[8])], "referenceRange": [{"text": fields[7]}],
        }  # fmt: skip

    def run() -> bytes:
        entries: list[dict[str, Any]] = []

        def add(resource: dict[str, Any], *parts: str) -> dict[str, str]:
            identity = hashlib.sha1("|".join(parts).encode(), usedforsecurity=False).hexdigest()[:32]
            request = {"method": "PUT", "url": f"{resource['resourceType']}/{identity}"}
            entries.append({"fullUrl": f"urn:uuid:{identity}", "resource": resource, "request": request})
            return {"reference": f"urn:uuid:{identity}"}

        patient: dict[str, str] = {}
        results: list[dict[str, str]] = []
        for line in raw.decode().split("\r"):
            fields = line.split("|")
            match fields[0]:
                case "PID":
                    address = fields[11].split("~")[0].split("^")
                    said = {
                        "resourceType": "Patient", "identifier": identifiers(fields[3]), "name": names(fields[5]), "gender": fields[8],
                        "birthDate": moment(fields[7]), "address": [{"line": address[:2], "city": address[2], "postalCode": address[4]}],
                        "telecom": [{"value": each.split("^")[-1]} for each in fields[13].split("~")],
                    }  # fmt: skip
                    patient = add(said, "patient", fields[3])
                case "PV1":
                    attending = add(person(fields[7]), "practitioner", fields[7])
                    stay = {
                        "resourceType": "Encounter", "subject": patient, "identifier": identifiers(fields[19]),
                        "class": {"code": fields[2]}, "participant": [{"individual": attending}], "period": {"start": moment(fields[44])},
                    }  # fmt: skip
                    add(stay, "encounter", fields[19])
                case "OBR":
                    report = {
                        "resourceType": "DiagnosticReport",
                        "code": coded(fields[4]),
                        "subject": patient,
                        "result": results,
                    }
                    add(report, "report", fields[3])
                case "OBX":
                    results.append(add(observation(fields, patient), "observation", fields[1], fields[3]))
        return orjson.dumps({"resourceType": "Bundle", "type": "transaction", "entry": entries})

    return run


SUBJECTS: dict[str, Make] = {
    made.__name__: made
    for made in (
        ours, floor, hl7, hl7apy, hl7types, parse_ours, parse_floor, parse_hl7, fhir_ours, fhir_floor, fhir_plain, fhir_checked,
        fhir_exchange, fhir_resource, fhir_models, by_hand, brightohir, v2fhir, v2fhir_checked,
    )
}  # fmt: skip


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
