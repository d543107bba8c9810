"""What every interaction of the FHIR API knows: the store, the settings, the way in for exchanges, its own address."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID, uuid5

from starlette.requests import Request

from connector.endpoints.fhir_in.answers import refuse
from connector.endpoints.fhir_in.settings import FhirInSettings
from connector.fhir.search import PARAMETERS
from connector.issues import IssueCode
from connector.ports import DocumentStore, Intake

__all__ = ["Site"]

#: The name space of the ids that the API gives.
_IDS = UUID("5c1f6a8e-0b0f-5d0e-9a43-6f2f6f1f2a11")


class Site:
    """`intake` None: nothing is accepted (not started, or stopping)."""

    def __init__(
        self, documents: DocumentStore, now: Callable[[], str], version: str, settings: FhirInSettings, name: str
    ) -> None:
        self.documents = documents
        self.now = now
        self.version = version
        self.settings = settings
        self.name = name
        self.intake: Intake | None = None

    def type_of(self, request: Request) -> str:
        """The type in the address. Raises RefusedError 404."""
        kind: str = request.path_params["type"]
        if kind not in PARAMETERS:
            raise refuse(404, IssueCode.FHIR_NOT_FOUND, what="type")
        return kind

    def base_of(self, request: Request) -> str:
        """The public address of the API: as the settings say, else as it was asked for, below where it is mounted."""
        own = str(request.base_url).rstrip("/") + str(request.scope.get("root_path", ""))
        return (self.settings.base_url or own).rstrip("/")

    @staticmethod
    def made_id(seed: str, *parts: object) -> str:
        """An id that the same seed gives again."""
        return str(uuid5(_IDS, "\x1f".join([seed, *map(str, parts)])))
