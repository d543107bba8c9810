"""The same conversion told leaf by leaf, for the console and `connector explain`.

`explain_read` and `explain_write` give the value and its `Trace`; `compose` joins the two for a conversion by way of the Exchange.
"""

from __future__ import annotations

from connector.mapping.explain_read import explain_read
from connector.mapping.explain_write import explain_write
from connector.mapping.trace import Decision, Origin, Trace, compose

__all__ = ["Decision", "Origin", "Trace", "compose", "explain_read", "explain_write"]
