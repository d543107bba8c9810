"""FHIR R4 on FR Core and PDSm: plain dicts, JSON and XML, bundles, checks, search."""
