"""Exchanges with a large attachment, handed to the real connector over REST: what its process grows by, over the size of the attachment."""

from __future__ import annotations

import base64
import http.client
import json
import os
import time
from pathlib import Path

from tests.bench.running import CONNECTOR, ROOT, folder, free_port, memory_mb, started

SIZE = 24_000_000
_SETTINGS = """\
site: bench
environment: test
data: {data}
http: {{port: {port}}}
monsisra: {{domains: [monsisra.example.test], max_exchange: 40000000}}
destinations:
  metier: {{kind: folder, path: "{data}/metier"}}
routes:
  - to: metier
"""


def posted(kind: str) -> dict[str, float]:
    """`inline` or `form`: growth until the answer (`grown`), until the delivery to a folder is over, and while it is read back; milliseconds."""
    body, media = _body(kind)
    port = free_port()
    with folder() as data:
        (data / "connector.yaml").write_text(_SETTINGS.format(data=data / "data", port=port), "utf-8")
        with started([str(CONNECTOR), "serve", str(data / "connector.yaml"), "--quiet"], port) as running:
            caller = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
            _asked(caller, "POST", "/exchanges", json.dumps(_mail("little")).encode(), "application/json")
            time.sleep(1)
            before = _forgotten(running.pid)
            took, where = _asked(caller, "POST", "/exchanges", body, media)
            answered = memory_mb(running.pid, "VmHWM")
            delivered = _until_delivered(running.pid, data / "data" / "metier")
            _forgotten(running.pid)
            read, _ = _asked(caller, "GET", where)
            given = memory_mb(running.pid, "VmHWM")
    size = SIZE / (1 << 20)
    return {
        "grown": (answered - before) / size,
        "ms": round(took),
        "with_delivery": round((delivered - before) / size, 2),
        "read": round((given - before) / size, 2),
        "read_ms": round(read),
    }


def _mail(number: str) -> dict:
    text = (ROOT / "tests" / "golden" / "exchanges" / "mail" / "exchange.json").read_text("utf-8")
    document = json.loads(text)["documents"][0]["id"]
    return {**json.loads(text.replace(document, f"{document}.{len(number)}")), "id": number}


def _body(kind: str) -> tuple[bytes, str]:
    value, pdf = _mail("large"), b"%PDF-1.7\n" + os.urandom(SIZE - 9)
    document = value["documents"][0]
    document["content"] = {"media_type": "application/pdf"}
    if kind == "inline":
        document["content"]["data"] = base64.b64encode(pdf).decode()
        return json.dumps(value).encode(), "application/json"
    head = '--cut\r\nContent-Disposition: form-data; name="{}"\r\n\r\n'
    parts = (("exchange", json.dumps(value).encode()), (document["id"], pdf))
    made = [head.format(name).encode() + part for name, part in parts]
    return b"\r\n".join((*made, b"--cut--\r\n")), "multipart/form-data; boundary=cut"


def _asked(
    caller: http.client.HTTPConnection, method: str, path: str, body: bytes = b"", media: str = ""
) -> tuple[float, str]:
    began = time.perf_counter()
    caller.request(method, path, body or None, {"content-type": media} if media else {})
    answer = caller.getresponse()
    while answer.read(1 << 16):
        pass
    assert answer.status in (200, 201), answer.status
    return (time.perf_counter() - began) * 1000, answer.headers.get("location", "")


def _forgotten(pid: int) -> float:
    """What is resident now; the peak is counted anew from here."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")
    return memory_mb(pid)


def _until_delivered(pid: int, metier: Path) -> float:
    end = time.monotonic() + 60
    while not [path for path in metier.glob("[!.]*/*") if path.stat().st_size >= SIZE]:
        assert time.monotonic() < end, "not delivered"
        time.sleep(0.05)
    time.sleep(0.5)
    return memory_mb(pid, "VmHWM")
