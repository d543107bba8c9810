"""CDA R2 as the CI-SIS specifies it: bytes, header, unstructured body, checks (ANS, volet Structuration minimale)."""
