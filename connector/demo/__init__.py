"""A message to show the connector with: our own MDM^T02 around a real CDA N1 around a real PDF, about a test patient."""

from connector.demo.letter import letter
from connector.demo.message import demo_document, demo_message

__all__ = ["demo_document", "demo_message", "letter"]
