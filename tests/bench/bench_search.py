"""Search by patient among many DocumentReferences, random patients: time of one search as the FHIR API asks it of the store.

    python tests/bench/bench_search.py [documents] [sqlite|postgresql]…

Fills a fresh database, empties the caches (the operating system's of the files, SQLite's connections, PostgreSQL by a restart), then asks
for patients that were not asked before. `cold` empties the caches before each search on SQLite. Prints p50, p99 and the longest, in ms.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))

from connector.engine.clock import SystemClock  # noqa: E402
from connector.fhir.search import index, parse  # noqa: E402
from connector.store.documents import SqlDocuments  # noqa: E402
from connector.store.journal import SqlJournal  # noqa: E402
from tests.fhir_kit import INS, document, patient  # noqa: E402
from tests.journal_kit import PostgresServer, _binaries  # noqa: E402

EACH = 3  # documents of a patient
SEARCHES = 400
ASKED: dict[str, list[tuple[str, str]]] = {
    "patient + status": [("patient", "Patient/p{n}"), ("status", "current")],
    "patient.identifier + status (ITI-67)": [("patient.identifier", f"{INS}|n{{n}}"), ("status", "current")],
    "patient + type + date": [
        ("patient", "Patient/p{n}"),
        ("type", "http://loinc.org|11502-2"),
        ("date", "ge2025-01-01"),
    ],
    "patient, sorted by date": [("patient", "Patient/p{n}"), ("_sort", "-date")],
}


def made(number: int, dice: random.Random) -> dict[str, Any]:
    """One of 100,000: its own identifiers, dates, type, author."""
    day = f"{dice.randint(2015, 2025)}-{dice.randint(1, 12):02}-{dice.randint(1, 28):02}T10:00:00+01:00"
    kind = dice.choice(["11502-2", "34112-3", "34133-9", "57833-6", "11490-0"])
    one = document(number, b"")
    one |= {
        "id": f"d{number}",
        "subject": {"reference": f"Patient/p{number // EACH}"},
        "type": {"coding": [{"system": "http://loinc.org", "code": kind, "display": "x" * 40}]},
        "category": [{"coding": [{"system": "urn:oid:1.2.250.1.213.1.1.4.1", "code": "10"}]}],
        "date": day,
        "securityLabel": [{"coding": [{"code": "N"}]}],
        "description": "Compte rendu " * 10,
        "content": [
            {"attachment": {"contentType": "text/xml", "url": f"Binary/b{number}", "size": 5000, "creation": day}}
        ],
        "context": {
            "event": [{"coding": [{"code": f"E{number % 50}"}]}],
            "period": {"start": day},
            "facilityType": {"coding": [{"code": "SA01"}]},
            "practiceSetting": {"coding": [{"code": "ETABLISSEMENT"}]},
        },
    }
    return one


async def fill(documents: SqlDocuments, total: int) -> None:
    dice = random.Random(1)
    for start in range(0, total // EACH + 1, 1000):
        people = [patient(f"n{n}", id=f"p{n}") for n in range(start, min(start + 1000, total // EACH + 1))]
        await documents.put_many([(each, index(each)) for each in people], {})
    for start in range(0, total, 500):
        some = [made(number, dice) for number in range(start, min(start + 500, total))]
        await documents.put_many([(each, index(each)) for each in some], {})


def forget(folder: Path) -> None:
    """Let the operating system forget the files' pages."""
    os.sync()
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


async def measured(
    documents: SqlDocuments, total: int, name: str, before: Callable[[], Awaitable[None]], count: int = SEARCHES
) -> None:
    dice = random.Random(len(name))
    took = []
    for number in dice.sample(range(total // EACH), count):
        query = parse("DocumentReference", [(key, value.format(n=number)) for key, value in ASKED[name]]).value
        assert query is not None
        await before()
        started = time.perf_counter()
        page = await documents.search(query)
        took.append((time.perf_counter() - started) * 1000)
        assert page.total is not None
    took.sort()
    p50, p99 = took[len(took) // 2], took[int(len(took) * 0.99)]
    print(f"  {name:40} p50 {p50:6.2f}  p99 {p99:6.2f}  longest {took[-1]:6.2f}", flush=True)


async def nothing() -> None:
    """The caches stay as the searches before left them."""


async def run(url: str, total: int, folder: Path, restart: Callable[[], None] | None) -> None:
    journal = SqlJournal(url, clock=SystemClock())
    documents = SqlDocuments(journal)
    await journal.start()
    started = time.perf_counter()
    await fill(documents, total)
    print(f"  filled in {time.perf_counter() - started:.0f} s", flush=True)
    await journal.stop()
    for name in ASKED:
        if restart is not None:
            restart()
        forget(folder)
        journal = SqlJournal(url, clock=SystemClock())
        documents = SqlDocuments(journal)
        await journal.start()
        await measured(documents, total, name, nothing)
        if restart is None and name.startswith("patient + status"):

            async def cold(journal: SqlJournal = journal) -> None:
                journal.database.engine.dispose()
                forget(folder)

            print("  the same, everything forgotten before each:")
            await measured(documents, total, name, cold, 150)
        await journal.stop()


def main() -> None:
    total = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    for kind in sys.argv[2:] or ["sqlite", "postgresql"]:
        print(f"{kind}, {total} documents, {total // EACH} patients")
        if kind == "sqlite":
            with tempfile.TemporaryDirectory() as folder:
                asyncio.run(run(str(Path(folder) / "j.db"), total, Path(folder), None))
            continue
        binaries = _binaries()
        if binaries is None:
            print("  no PostgreSQL here")
            continue
        server = PostgresServer(binaries)
        try:

            def again(server: PostgresServer = server) -> None:
                server.crash()
                server.start()

            asyncio.run(run(server.database(), total, server.folder, again))
        finally:
            server.close()


if __name__ == "__main__":
    main()
