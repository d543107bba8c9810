"""Receives HL7 v2 over MLLP: many messages a connection, each answered in order once the verdict is safe, everything bounded.

Nothing of a message is ever logged: names of endpoints, addresses, counts and kinds of trouble only.
"""

from __future__ import annotations

from connector.endpoints import EndpointKind
from connector.endpoints.mllp_in.receiver import MllpIn
from connector.endpoints.mllp_in.settings import MllpInSettings

__all__ = ["KIND", "MllpIn", "MllpInSettings"]

KIND = EndpointKind(
    name="mllp_in",
    direction="in",
    title=("Réception HL7 v2 par MLLP", "HL7 v2 over MLLP, receiving"),
    settings=MllpInSettings,
    build=MllpIn,
)
