"""What depends on what, found by trying: change one leaf a little, do it again, see which outputs change.

A datatype is code, so what it does with each part of its node cannot be read off a rule. It is pure, so it can be asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

__all__ = ["changed", "variants"]

_NEXT = {
    **{str(d): str((d + 1) % 10) for d in range(10)},
    **{
        c: chr(ord(c) + 1) if c not in "zZ" else chr(ord(c) - 1)
        for c in "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
    },
}
_LONG = 4096


def variants(text: str, codes: Iterable[str] = ()) -> Iterator[str]:
    """Texts of the same kind that differ: other codes of the table first, then one letter or digit at the end, the beginning, the middle."""
    count = 0
    for code in codes:
        if code != text:
            yield code
            count += 1
            if count == 3:
                break
    if len(text) > _LONG:
        tail = text[:-9]  # a large content: one change, far enough from base64 padding
        yield tail[:-1] + _NEXT.get(tail[-1], "A") + text[-9:]
        return
    spots = [index for index, character in enumerate(text) if character in _NEXT]
    for index in dict.fromkeys((spots[-1], spots[0], spots[len(spots) // 2], *spots[-3:-1]) if spots else ()):
        yield text[:index] + _NEXT[text[index]] + text[index + 1 :]
    if not spots:
        yield text + "x"


def changed(before: dict[str, object], after: dict[str, object]) -> frozenset[str]:
    """The places of `before` whose value is another or gone."""
    missing = object()
    return frozenset(place for place, value in before.items() if after.get(place, missing) != value)
