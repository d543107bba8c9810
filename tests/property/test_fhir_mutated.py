"""Bundles of every mode with something broken in them: an exchange or issues, never an exception."""

from __future__ import annotations

import copy
import json
from functools import cache
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from connector import terminology
from connector.mapping.catalogue import load_library
from connector.pipeline.formats import SHAPES
from connector.pipeline.translate import Translator
from connector.settings import find_library
from tests.unit.fhir.site import context

CASES = (
    "message-of-a-thread", "request-and-opinion", "channel-to-a-patient", "minimal-document", "section-with-entries",
    "structured-letter/out.document.json",
)  # fmt: skip
OTHER: tuple[Any, ...] = (None, "x", 0, True, [], {}, [None], ["x"], [[]], {"reference": "x"}, {"reference": 5})


@cache
def translator() -> Translator:
    files = find_library()
    return Translator(load_library(files.mappings, SHAPES, terminology.load(files.terminology)))


@cache
def whole(case: str) -> Any:
    file = case if case.endswith(".json") else f"{case}/out.bundle.json"
    return json.loads((Path(__file__).parents[1] / "golden" / "fhir" / file).read_bytes())


def spots(node: Any) -> list[tuple[Any, Any]]:
    keys = list(node) if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else ()
    return [spot for key in keys for spot in [(node, key), *spots(node[key])]]


@settings(max_examples=120, deadline=None)
@given(
    st.sampled_from(CASES),
    st.lists(st.tuples(st.floats(0, 0.999), st.sampled_from([*OTHER, "gone"])), min_size=1, max_size=3),
)
def test_a_broken_bundle_is_read_or_refused(case: str, changes: list[tuple[float, Any]]) -> None:
    bundle = copy.deepcopy(whole(case))
    for where, value in changes:
        if not (found := spots(bundle)):
            break
        node, key = found[int(where * len(found))]
        if value == "gone":
            del node[key]
        else:
            node[key] = copy.deepcopy(value)
    reading = translator().read(json.dumps(bundle).encode(), "fhir", context())
    assert reading.exchange is not None or reading.issues
