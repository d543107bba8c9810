"""Builds the object graph: settings in, a running connector or a workbench out. The only package that knows everybody.

Nothing heavy is imported before it is needed: `connector --help` and `connector convert` never load the store or a web server.
"""

from connector.app.compiled import Mistake, compile_site, library_mistakes, rules_of, site_context
from connector.app.endpoints import endpoint_models
from connector.app.graph import Application, ReceiverStatus, Status
from connector.app.records import JournalBusy, Records, journal_state
from connector.app.workbench import Workbench

__all__ = [
    "Application",
    "JournalBusy",
    "Mistake",
    "ReceiverStatus",
    "Records",
    "Status",
    "Workbench",
    "compile_site",
    "endpoint_models",
    "journal_state",
    "library_mistakes",
    "rules_of",
    "site_context",
]
