"""A partial date with its zone, in ISO notation; HL7 notation both ways."""

from __future__ import annotations

from typing import NewType

__all__ = ["Moment"]

# Canonical text: YYYY[-MM[-DD[Thh:mm[:ss[.f…]][±hh:mm|Z]]]]; as precise as it was given, no zone invented.
Moment = NewType("Moment", str)
