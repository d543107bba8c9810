"""The benchmarks: `python -m tests.bench [ROW…] [--json] [--seconds N]`. Ours, the peers that pip can install, and the floor, in one run.

Each measurement is a fresh process; everybody is measured in turn, `rounds` times, and the best counts. Figures hold as ratios of one run
on one machine. `hl7`, `fhir`, `cda`, `store` and `search` are the detailed benchmarks of those packages.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterable

from tests.bench.messages import write_all
from tests.bench.peers import PEERS, python_of
from tests.bench.rows import ROWS, Measured, Row, Site
from tests.bench.running import HERE, ROOT

DETAILED = ("hl7", "fhir", "cda", "store", "search")


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "rows", nargs="*", metavar="ROW", help=f"{', '.join(row.name for row in ROWS)}; {', '.join(DETAILED)}"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object a row")
    parser.add_argument("--seconds", type=float, default=2.0, help="how long each measurement takes (default 2)")
    asked = parser.parse_args()
    known = {row.name for row in ROWS}.union(DETAILED)
    if unknown := [name for name in asked.rows if name not in known]:
        parser.error(f"no row {', '.join(unknown)}; rows: {', '.join(sorted(known))}")
    rows = [row for row in ROWS if not asked.rows or row.name in asked.rows]
    say = (
        (lambda text: print(text, file=sys.stderr, flush=True))
        if asked.json
        else (lambda text: print(text, flush=True))
    )
    say(
        f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, Python {platform.python_version()}"
    )
    if rows:
        site = _site(rows, asked.seconds, say)
        found = [(row, _measured(row, site, say)) for row in rows]
        if asked.json:
            for row, each in found:
                print(json.dumps(_plain(row, each), ensure_ascii=False))
        else:
            _table(found)
    for name in DETAILED:
        if name in asked.rows:
            subprocess.run([sys.executable, str(HERE / f"bench_{name}.py")], cwd=ROOT, check=True)
    return 0


def _site(rows: list[Row], seconds: float, say) -> Site:
    folder = ROOT / "var" / "bench"
    python = {}
    for peer in PEERS:
        if any(peer in row.who for row in rows):
            found, why = python_of(peer, folder)
            if found is None:
                say(f"peer skipped: {why}")
            else:
                python[peer] = found
    return Site(write_all(folder / "messages"), python, seconds)


def _measured(row: Row, site: Site, say) -> dict[str, Measured]:
    found: dict[str, Measured] = {}
    failed: set[str] = set()
    better = max if row.higher else min
    for _ in range(row.rounds):
        for who, measure in row.who.items():
            if who in failed or (who in PEERS and who not in site.python):
                continue
            try:
                one = measure(site)
            except (RuntimeError, AssertionError, subprocess.SubprocessError) as error:
                failed.add(who)
                say(f"{row.name}: {who}: {type(error).__name__}: {error}")
                continue
            found[who] = better(found[who], one, key=lambda each: each.figure) if who in found else one
    say(f"{row.name}: " + ", ".join(f"{who} {_figure(each.figure)} {row.unit}" for who, each in found.items()))
    return found


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _against(row: Row, found: dict[str, Measured]) -> tuple[str, str]:
    """Times better than the best peer, and the share of the floor that ours reaches (or how many times its cost)."""
    ours = found.get("ours")
    peers = [each.figure for who, each in found.items() if who not in ("ours", "floor")]
    if ours is None:
        return "", ""
    best = (max(peers) if row.higher else min(peers)) if peers else 0.0
    beside = f"{(ours.figure / best if row.higher else best / ours.figure):.1f}×" if best else ""
    floor = found.get("floor")
    if floor is None or not floor.figure:
        return beside, ""
    return beside, f"{ours.figure / floor.figure:.0%}" if row.higher else f"{ours.figure / floor.figure:.1f}×"


def _met(row: Row, found: dict[str, Measured]) -> bool:
    return "ours" in found and (found["ours"].figure >= row.goal if row.higher else found["ours"].figure <= row.goal)


def _table(found: Iterable[tuple[Row, dict[str, Measured]]]) -> None:
    print("\n| row | unit | ours | goal | met | best peer | floor | ours : peer | ours : floor | seen |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for row, each in found:
        peers = {who: one.figure for who, one in each.items() if who not in ("ours", "floor")}
        best = (max if row.higher else min)(peers, key=peers.__getitem__) if peers else ""
        beside, share = _against(row, each)
        seen = ", ".join(f"{name} {value}" for name, value in each["ours"].more.items()) if "ours" in each else ""
        cells = (
            row.title, row.unit, _figure(each["ours"].figure) if "ours" in each else "-", f"{'≥' if row.higher else '≤'} {_figure(row.goal)}",
            "yes" if _met(row, each) else "no", f"{best} {_figure(peers[best])}" if best else "-",
            _figure(each["floor"].figure) if "floor" in each else "-", beside or "-", share or "-", seen,
        )  # fmt: skip
        print("| " + " | ".join(cells) + " |")


def _plain(row: Row, found: dict[str, Measured]) -> dict[str, object]:
    beside, share = _against(row, found)
    return {
        "row": row.name, "title": row.title, "unit": row.unit, "goal": row.goal, "met": _met(row, found), "ours_to_peer": beside,
        "ours_to_floor": share, "figures": {who: {"figure": one.figure, **one.more} for who, one in found.items()},
    }  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
