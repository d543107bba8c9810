"""Whatever is posted: a valid exchange, or an outcome with issues; never a failure of ours, and a refusal changes nothing."""

from __future__ import annotations

import asyncio
import copy
import hashlib
import json
import re
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.endpoints import Endpoint
from connector.endpoints.exchange_in.taking import Taking
from connector.monsisra import codec, standing
from connector.monsisra.codec import dump, locate, parse
from tests.exchange_site import site
from tests.unit.monsisra.sample import CASES, data, raw

#: What a field is replaced by; None takes it away.
ODD = [
    None, "", " ", "x", "é\u202e", "2026", "2026-02-30", "1.2.3", "\x00", "a" * 5000, 0, -1, 1.5, True, [], {}, [[]], [None],
    {"x": 1}, ["x"], "[FIN]", "279035121518989@patient.mssante.fr", "YQ==", "demandee", "cloturee", "conversation", "mail", "feed",
]  # fmt: skip


def places(node: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place of a JSON tree."""
    found = [path] if path else []
    for key, value in node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ():
        found += places(value, (*path, key))
    return found


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """An exchange with one to four places changed, taken away, doubled or swapped; or with its bytes cut or bent."""
    value = data(draw(st.sampled_from(CASES)))
    for _ in range(draw(st.integers(1, 4))):
        path = draw(st.sampled_from(places(value)))
        node = value
        for step in path[:-1]:
            node = node[step]
        if draw(st.booleans()):
            node[path[-1]] = copy.deepcopy(draw(st.sampled_from(ODD)))
        elif isinstance(node, list):
            node.insert(path[-1], json.loads(json.dumps(node[path[-1]])))
        else:
            del node[path[-1]]
        if not value:
            break
    text = json.dumps(value, ensure_ascii=draw(st.booleans())).encode("utf-8", "surrogatepass")
    if draw(st.integers(0, 9)) == 0:
        cut = draw(st.integers(0, len(text)))
        text = text[:cut] + draw(st.binary(max_size=3)) + text[cut + draw(st.integers(0, 3)) :]
    return text


def test_three_hundred_mutations_are_taken_or_refused_with_reasons() -> None:
    seen: set[int] = set()
    with tempfile.TemporaryDirectory() as folder, asyncio.Runner() as runner:
        entered = site(str(Path(folder) / "journal.db"))
        here = runner.run(entered.__aenter__())

        taking = Taking(Endpoint(name="rest", clock=here.clock, exchanges=here.exchanges), 1_000_000, "fr")
        taking.intake = here.intake

        @settings(max_examples=300, deadline=None)
        @given(mutated())
        def posted(text: bytes) -> None:
            before = len(runner.run(here.found(count=1000)))
            status, said = runner.run(taking.take(text, "", "fr"))
            grave = [issue for issue in said["issues"] if issue["severity"] in ("error", "fatal")]
            assert status in (200, 201, 202, 400, 409, 422), said
            assert bool(grave) is (status not in (200, 201))
            if grave:
                assert len(runner.run(here.found(count=1000))) == before
            seen.add(status)

        try:
            posted()
        finally:
            runner.run(entered.__aexit__(None, None, None))
    assert seen >= {201, 422}


@settings(max_examples=150, deadline=None)
@given(mutated())
def test_what_is_read_is_written_and_reads_the_same(text: bytes) -> None:
    outcome = parse(text)
    assert (outcome.value is None) is bool(outcome.issues)
    if outcome.value is not None:
        assert parse(dump(outcome.value)).value == outcome.value


@settings(max_examples=100, deadline=None)
@given(mutated(), st.booleans(), st.booleans())
def test_contents_left_where_they_stand_change_nothing_of_what_is_read(text: bytes, form: bool, apart: bool) -> None:
    if form:
        text = b'--b\r\nContent-Disposition: form-data; name="exchange"\r\n\r\n' + text + b"\r\n--b--"
    whole = parse(text)
    with pytest.MonkeyPatch.context() as patch:
        # Every text of four letters or more is "long" now, keys apart: names and codes are taken out and put back.
        patch.setattr(standing, "_LONG", re.compile(rb'(?<!\\)"([A-Za-z0-9+/]{4,}+={0,2})"(?!\s*:)'))
        patch.setattr(standing, "LARGE", 4)
        patch.setattr(codec, "LARGE", 4 if apart else 1 << 30)
        outcome, where = locate(memoryview(text))
        assert parse(text) == whole
    assert (outcome.issues, outcome.value is None) == (whole.issues, whole.value is None)
    for place, each in where.items() if whole.value is not None else ():
        assert hashlib.sha256(standing.bytes_at(text, each)).hexdigest() == each.sha256, place


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(CASES), st.binary(max_size=60), st.integers(0, 4000), st.booleans())
def test_no_bytes_break_the_reader(case: str, noise: bytes, place: int, form: bool) -> None:
    body = raw(case)[:place] + noise + raw(case)[place:]
    if form:
        body = b'--b\r\nContent-Disposition: form-data; name="exchange"\r\n\r\n' + body + b"\r\n--b--"
    parse(body)
    parse(noise)
    parse(b"--" + noise)
