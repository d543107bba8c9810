"""Terminology: tables that translate codes both ways, official editions of them, and the words by which people find a code. Pure."""

from connector.terminology.tables import (
    LOCAL,
    RETIRED,
    SIDES,
    Clash,
    Coded,
    Row,
    System,
    Systems,
    Table,
    Tables,
    TerminologyError,
    load,
)
from connector.terminology.untranslated import Untranslated, untranslated

__all__ = [
    "LOCAL",
    "RETIRED",
    "SIDES",
    "Clash",
    "Coded",
    "Row",
    "System",
    "Systems",
    "Table",
    "Tables",
    "TerminologyError",
    "Untranslated",
    "load",
    "untranslated",
]
