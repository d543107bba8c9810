"""The texts of the command line: English sentences are the keys, French is here. A test finds what is missing or no longer used."""

from __future__ import annotations

__all__ = ["FRENCH", "translate"]

FRENCH: dict[str, str] = {}


def translate(sentence: str, language: str) -> str:
    """The sentence in `fr`, or as it is."""
    return FRENCH.get(sentence, sentence) if language == "fr" else sentence
