"""FHIR: HL7 v2 messages step by step; an exchange of each mode to its Bundle and back, without document bytes; conversations that grow. CPU time.

python tests/bench/bench_fhir.py
"""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))

from connector.exchange.content import detach  # noqa: E402
from connector.exchange.model import Exchange  # noqa: E402
from connector.fhir.bundle import assemble, take_apart  # noqa: E402
from connector.fhir.validate import check_bundle  # noqa: E402
from connector.mapping.language import Run  # noqa: E402
from connector.pipeline.formats import FORMATS  # noqa: E402
from tests.bench.messages import adt, oru  # noqa: E402
from tests.bench.subjects import best_of_batches, site  # noqa: E402
from tests.unit.fhir.site import context, library, over_the_wire  # noqa: E402
from tests.unit.fhir.test_threads import long  # noqa: E402

MODES = ("document", "conversation", "teleexpertise", "mail", "mon-espace-sante")


def measure(name: str, exchange: Exchange) -> None:
    """One line: microseconds there and back, resources."""
    mapping, site = library().mapping("fhir/bundles/document"), context()

    def there() -> object:
        run = Run(site)
        return assemble(mapping.write(exchange, run), exchange, run)

    def back() -> object:
        run = Run(site)
        return mapping.read(take_apart(bundle, run), run)

    bundle = over_the_wire(there())  # type: ignore[arg-type]  # a Bundle
    print(f"{name:24} {best_of_batches(there, 1):10.0f} {best_of_batches(back, 1):10.0f} {len(bundle['entry']):10}")


def steps(name: str, raw: bytes) -> None:
    """One line: microseconds of each step from the bytes of a message to the bytes of its Bundle."""
    translator, outside = site()
    form, out = FORMATS["hl7"], FORMATS["fhir"]
    reading = translator.read(raw, "hl7", outside, rules=False)
    bundle = translator.write_tree(reading.exchange, out, Run(outside))
    calls = (
        lambda: form.parse(raw),
        lambda: translator.read(raw, "hl7", outside, rules=False),
        lambda: translator.read(raw, "hl7", outside),
        lambda: translator.write_tree(reading.exchange, out, Run(outside)),
        lambda: out.serialise(bundle),
        lambda: check_bundle(bundle),
    )
    print(f"{name:24}" + "".join(f" {best_of_batches(call, 1):10.0f}" for call in calls))


if __name__ == "__main__":
    print(
        f"{'message':24}"
        + "".join(f" {step:>10}" for step in ("parsed", "read", "with rules", "written", "JSON", "checked"))
    )
    steps("ADT", adt())
    steps("ORU 60 OBX", oru())
    print(f"{'exchange':24} {'to FHIR µs':>10} {'back µs':>10} {'resources':>10}")
    for mode in MODES:
        file = ROOT / "tests" / "golden" / "exchanges" / mode / "exchange.json"
        measure(mode, detach(msgspec.json.decode(file.read_bytes(), type=Exchange))[0])
    for size in (50, 100, 200):
        measure(f"{size} messages", long(size))
