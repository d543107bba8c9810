"""The FHIR R4 API: what the connector has filed, searched and read, and what partners post, kept and taken in as exchanges.

`FhirIn.app` is an ASGI app that the web mounts at /fhir; as a `Receiver` it gives exchanges to the intake.
"""

from __future__ import annotations

from connector.endpoints import Endpoint, EndpointKind
from connector.endpoints.fhir_in.app import FhirIn, fhir_app
from connector.endpoints.fhir_in.settings import FhirInSettings

__all__ = ["KIND", "FhirIn", "FhirInSettings", "fhir_app"]


def _build(settings: FhirInSettings, endpoint: Endpoint) -> FhirIn:
    return FhirIn(settings, endpoint)


KIND = EndpointKind(
    name="fhir_in",
    direction="in",
    title=("Interface FHIR", "FHIR interface"),
    settings=FhirInSettings,
    build=_build,
)
