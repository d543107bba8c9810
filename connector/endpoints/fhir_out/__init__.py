"""FHIR R4 as a destination: any server, or the connector's own store."""

from connector.endpoints.fhir_out.sender import KIND, FhirOut, FhirOutSettings, retry_of

__all__ = ["KIND", "FhirOut", "FhirOutSettings", "retry_of"]
