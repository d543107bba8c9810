"""What to show the connector with, about a test patient: our own MDM^T02 around a CDA N1 around a PDF, and an exchange of MonSisra."""

from connector.demo.exchange import demo_exchange
from connector.demo.letter import letter
from connector.demo.message import demo_document, demo_message

__all__ = ["demo_document", "demo_exchange", "demo_message", "letter"]
