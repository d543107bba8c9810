"""A FHIR server that knows patients, made of the standard library alone: it answers as told and keeps what it was asked."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

REGION = "1.2.250.1.213.1.4.10.9.50"
PATIENT = {
    "resourceType": "Patient",
    "id": "7",
    "identifier": [{"system": f"urn:oid:{REGION}", "value": "R-7"}],
    "name": [{"use": "official", "family": "PAT-TROIS", "given": ["DOMINIQUE"]}],
    "birthDate": "1979-03-28",
    "gender": "female",
}


def bundle(*resources: dict[str, Any], **more: Any) -> dict[str, Any]:
    entries = [{"fullUrl": "http://mpi.example/fhir/Patient/7", "resource": each} for each in resources]
    return {"resourceType": "Bundle", "type": "searchset", "total": len(resources), "entry": entries, **more}


def target(system: str = REGION, value: str = "R-7") -> dict[str, Any]:
    identifier = {"name": "targetIdentifier", "valueIdentifier": {"system": f"urn:oid:{system}", "value": value}}
    reference = {"name": "targetId", "valueReference": {"reference": "http://mpi.example/fhir/Patient/7"}}
    return {"resourceType": "Parameters", "parameter": [identifier, reference]}


class Asked(list[tuple[str, dict[str, list[str]], dict[str, str]]]):
    """Path, query and headers of each request."""


@contextmanager
def server(status: int, answer: object, headers: dict[str, str] | None = None) -> Iterator[tuple[str, Asked]]:
    """A FHIR server at `/base` that answers so to everything."""
    asked = Asked()
    body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            asked.append((parts.path, parse_qs(parts.query), dict(self.headers.items())))
            self.send_response(status)
            self.send_header("Content-Type", "application/fhir+json")
            self.send_header("Content-Length", str(len(body)))
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            return

    running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=running.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{running.server_port}/base", asked
    finally:
        running.shutdown()
        thread.join()
        running.server_close()
