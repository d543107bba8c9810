"""A sample of the official examples of CDA in FHIR, judged by HAPI: a transaction with their sections, and a FHIR document. R4 and the French profiles."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.golden.journeys_kit import context, translator
from tests.journey.test_fhir_profiles import judged, unpacked

pytestmark = [pytest.mark.real, pytest.mark.shared, pytest.mark.slow]
#: One in so many: HAPI takes seconds for each.
_STEP = 11


def test_a_sample_of_the_national_examples_has_no_error(tmp_path: Path, shared: Path) -> None:
    folder = os.environ.get("ANS_CDA_JUDGE")
    if not folder:
        pytest.skip(
            "ANS_CDA_JUDGE does not name a checkout of ansforge/TestContenuCDA-3-0: HAPI judged none of its examples"
        )
    files = sorted((Path(folder) / "ExemplesCDA").glob("*.xml"))[::_STEP]
    assert len(files) > 5
    resources = tmp_path / "resources"
    resources.mkdir()
    for file in files:
        exchange = translator().read(file.read_bytes(), "cda", context(), rules=False).exchange
        assert exchange is not None, file.name
        alone = replace(exchange, documents=exchange.documents[:1])
        for shape, said in (("sections", exchange), ("document", alone)):
            asked = {"sections": "true", **({"shape": "document"} if shape == "document" else {})}
            written = translator().write(said, "fhir", replace(context(), options=asked)).value
            assert written is not None, file.name
            (resources / f"{file.stem}-{shape}.json").write_bytes(written)
    told = judged(resources, unpacked(shared, tmp_path))
    errors = [each for each in told if each.get("severity") in ("error", "fatal")]
    assert not errors, json.dumps(errors[:10], indent=1, ensure_ascii=False)
    assert len({each["file"] for each in told}) == 2 * len(files)
