"""The status page, health, metrics, the JSON for scripts and the FHIR API, as one ASGI application."""
