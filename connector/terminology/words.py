"""How people find a code: by the beginnings of words, in any order, without accents or capitals, with a letter wrong."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence

__all__ = ["Index", "fold", "words_of"]

_WORD = re.compile(r"[a-z0-9]+")
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_LONGEST = 16  # letters of a word that are compared
_FORGIVEN = 4  # letters from which one of them may be wrong
_LIGATURES = str.maketrans({"œ": "oe", "æ": "ae", "ß": "ss"})


def fold(text: str) -> str:
    """Small letters without accents."""
    if text.isascii():
        return text.lower()
    plain = unicodedata.normalize("NFD", text.lower().translate(_LIGATURES))
    return "".join(letter for letter in plain if not unicodedata.combining(letter))


def words_of(text: str) -> list[str]:
    """The words of a text, folded."""
    return _WORD.findall(fold(text))


class Index:
    """Texts by number, found by what a person types. Built once, then each question costs some microseconds.

    A word that was typed is found, from the surest: as the beginning of a word; as the beginnings of words that follow one another
    (`ordd`: Ordonnances de); with its last letter too many or doubled; with one letter missing, wrong, added or exchanged.
    """

    def __init__(self, texts: Iterable[tuple[int, str]]) -> None:
        self._words: dict[int, list[list[str]]] = {}
        self._starts: dict[str, set[int]] = {}
        for number, text in texts:
            words = words_of(text)
            self._words.setdefault(number, []).append(words)
            for word in words:
                for length in range(1, min(len(word), _LONGEST) + 1):
                    self._starts.setdefault(word[:length], set()).add(number)

    def find(self, query: str) -> dict[int, int]:
        """Number → how far from what was typed (0: exactly so). Every word that was typed must be found; nothing typed finds nothing."""
        found: dict[int, int] | None = None
        for word in words_of(query):
            near = self._near(word[:_LONGEST])
            found = near if found is None else {n: found[n] + near[n] for n in found.keys() & near.keys()}
            if not found:
                return {}
        return found or {}

    def _near(self, word: str) -> dict[int, int]:
        exact = self._starts.get(word, set())
        found = dict.fromkeys(exact, 0)
        for number in self._split(word):
            found.setdefault(number, 1)
        if len(word) >= _FORGIVEN:
            for number in self._starts.get(word[:-1], ()):
                found.setdefault(number, 2)
            if not found:
                for other in _one_letter_off(word):
                    for number in self._starts.get(other, ()):
                        found[number] = 3
        return found

    def _split(self, word: str) -> Iterator[int]:
        """Texts in which two or three words that follow one another begin with the parts of the word."""
        for cut in range(1, len(word)):
            head, tail = word[:cut], word[cut:]
            for number in self._starts.get(head, set()) & self._starts.get(tail[:1], set()):
                if any(_follow(words, head, tail) for words in self._words[number]):
                    yield number


def _follow(words: Sequence[str], head: str, tail: str) -> bool:
    for position, first in enumerate(words[:-1]):
        if first.startswith(head) and _begins(words[position + 1 :], tail, 2):
            return True
    return False


def _begins(words: Sequence[str], typed: str, most: int) -> bool:
    """Whether the first words, `most` at most, begin with the parts of what was typed."""
    if not words or not most:
        return False
    if words[0].startswith(typed):
        return True
    return any(
        words[0].startswith(typed[:cut]) and _begins(words[1:], typed[cut:], most - 1) for cut in range(1, len(typed))
    )


def _one_letter_off(word: str) -> Iterator[str]:
    """The first letter is right: people begin words well, and a list that is too long helps nobody."""
    for place in range(1, len(word)):
        head, tail = word[:place], word[place:]
        yield head + tail[1:]
        if len(tail) > 1:
            yield head + tail[1] + tail[0] + tail[2:]
        for letter in _LETTERS:
            yield head + letter + tail[1:]
            yield head + letter + tail
