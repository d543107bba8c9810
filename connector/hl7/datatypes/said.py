"""What every pair of this package needs: a part said or not, words of tables, and texts that keep where they came from."""

from __future__ import annotations

from collections.abc import Mapping

from connector.hl7.message import Repetition
from connector.mapping.language import ERASE, Erase, Run, Traced

__all__ = ["NULL", "all_said", "below_said", "carried", "code", "erased", "put", "said", "word"]

#: HL7's explicit null (v2.6 §2.5.3.1).
NULL = '""'


def said(node: Repetition, component: int, subcomponent: int = 1) -> str | None:
    """What a leaf says, None when it is absent or an explicit null."""
    parts = node.parts()
    if component > len(parts):
        return None
    part = parts[component - 1]
    if not part:
        return None
    separators = node.separators
    if type(part) is str and subcomponent == 1 and not (separators.subcomponent in part or separators.escape in part):
        return None if part == NULL else part  # the common case, in one step
    text = node.text(component, subcomponent)
    return None if not text or text == NULL else text


def all_said(node: Repetition, *components: int) -> list[str | None]:
    """As `said` of each of these components."""
    parts, separators = node.parts(), node.separators
    size, escape, below = len(parts), separators.escape, separators.subcomponent
    found: list[str | None] = []
    for component in components:
        part = parts[component - 1] if component <= size else ""
        if not part:
            found.append(None)
        elif type(part) is not str or below in part or escape in part or part == NULL:
            found.append(said(node, component))
        else:
            found.append(part)
    return found


def below_said(node: Repetition, component: int) -> tuple[str | None, str | None, str | None]:
    """As `said` of the first three subcomponents of a component."""
    parts = node.parts()
    part = parts[component - 1] if component <= len(parts) else ""
    if not part:
        return None, None, None
    if type(part) is str and node.separators.subcomponent and node.separators.escape not in part and NULL not in part:
        first, second, third = (*part.split(node.separators.subcomponent), "", "")[:3]
        return first or None, second or None, third or None
    return said(node, component), said(node, component, 2), said(node, component, 3)


def erased(node: Repetition) -> Erase | None:
    """ERASE when the whole repetition is the explicit null: the sender empties the value."""
    return ERASE if node.text(1) == NULL and len(node.parts()) == 1 else None


def put(node: Repetition, value: str | None, component: int, subcomponent: int = 1) -> None:
    """Say a value, when there is one."""
    if value is not None:
        node.put(value, component, subcomponent)


def carried(value: str, *sources: str | None) -> str:
    """The value with the places of the texts it was made from (when they are traced)."""
    for source in sources:
        if isinstance(source, Traced):
            return Traced(value, [place for each in sources if isinstance(each, Traced) for place in each.places])
    return value


def word(table: str, code: str | None, run: Run, known: Mapping[str, str]) -> str | None:
    """The canonical word of a code, by the site's table else by `known`; MAP_UNKNOWN_CODE when there is none."""
    if code is None:
        return None
    find = run.context.table
    found = find(table).to_exchange("hl7", code) if find is not None else known.get(code)
    if found is None:
        run.unknown_code(table, "read", "hl7", code)
        return None
    return carried(str(found), code)


def code(table: str, word: str | None, run: Run, known: Mapping[str, str]) -> str | None:
    """The code that HL7 v2 writes for a canonical word; MAP_UNKNOWN_CODE when it has none."""
    if word is None:
        return None
    find = run.context.table
    if find is not None:
        coded = find(table).from_exchange("hl7", word)
        found = coded.code if coded is not None else None
    else:
        found = next((code for code, known_word in known.items() if known_word == word), None)
    if found is None:
        run.unknown_code(table, "write", "hl7", word)
    return found
