"""veraPDF says that the PDFs which we make are PDF/A-1b."""

from __future__ import annotations

import io
import subprocess
from datetime import datetime
from pathlib import Path

from PIL import Image

from connector.exchange.model import Context
from connector.exchange.moments import Moment
from connector.pdf.blocks import Heading, Paragraph, Picture
from connector.pdf.pages import pages
from connector.pipeline.formats import exchange_parse
from connector.pipeline.synthesis import synthesis
from tests.peers.java import classpath

CONTEXT = Context(now=Moment("2026-11-24T10:00:00+01:00"))


def conversation(root: Path) -> bytes:
    exchange = exchange_parse((root / "tests/golden/exchanges/conversation/exchange.json").read_bytes()).value
    assert exchange is not None
    content = synthesis(exchange, CONTEXT).content
    assert content is not None
    return content.data or b""


def everything() -> bytes:
    photos = []
    for kind, mode in (("PNG", "RGBA"), ("PNG", "P"), ("JPEG", "RGB"), ("JPEG", "CMYK"), ("JPEG", "L"), ("TIFF", "1")):
        made = io.BytesIO()
        Image.new(mode, (64, 48)).save(made, kind)
        photos.append(Picture(made.getvalue(), f"{kind} {mode}"))
    words = "Cœur, Noël, 12 € – « avis » Ελληνικά Кириллица 😀 \N{ZERO WIDTH SPACE}\N{COMBINING ACUTE ACCENT}"
    return pages(
        "Tout", "ESSAI-SEPT HENRI", [Heading("é"), *[Paragraph(words * 9)] * 40, *photos],
        created=datetime.fromisoformat(CONTEXT.now),
    )  # fmt: skip


def test_what_we_make_is_pdfa_1b(tmp_path: Path, root: Path) -> None:
    path = classpath("pdfa")
    files = {"conversation": conversation(root), "everything": everything(), "not": b"%PDF-1.4\n%%EOF\n"}
    for name, data in files.items():
        (tmp_path / f"{name}.pdf").write_bytes(data)
    told = {
        name: subprocess.run(
            ["java", "-cp", path, "Judge", str(tmp_path / f"{name}.pdf")],
            capture_output=True, text=True, timeout=120, check=False,
        ).stdout
        for name in files
    }  # fmt: skip
    assert told["conversation"].startswith("ok "), told["conversation"]
    assert told["everything"].startswith("ok "), told["everything"]
    assert not told["not"].startswith("ok ")
