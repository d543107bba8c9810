"""Texts that keep where they came from: a look-up or a join loses what `Traced` remembers."""

from __future__ import annotations

from connector.mapping.language import Traced

__all__ = ["carried", "joined", "worded"]


def carried(value: str, *sources: str | None) -> str:
    """The value with the places of the texts that it was made from."""
    places = [place for source in sources if isinstance(source, Traced) for place in source.places]
    return Traced(value, places) if places else value


def joined(parts: list[str]) -> str:
    """The parts with a space between."""
    return parts[0] if len(parts) == 1 else carried(" ".join(parts), *parts)


def worded(code: str | None, words: dict[str, str]) -> str | None:
    """The canonical word of a code, the code itself when there is no word for it."""
    return carried(words.get(code, code), code) if code is not None else None
