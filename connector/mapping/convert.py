"""What stands between the two ends of a rule: datatypes, terminology tables, constants, compiled to one function each way.

`read(found, run)` gives the canonical value, None when there is none; `write` gives the text (or fills a node). Both raise ValueError when
the value does not fit, `UnknownCode` when a table does not hold the code.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from connector.exchange.people import Concept
from connector.issues import IssueCode, Severity
from connector.mapping.exchange import Field, name_of
from connector.mapping.language import Datatype, Rule, Run
from connector.terminology import Systems, Table

__all__ = ["Conversion", "UnknownCode", "conversion"]

Read = Callable[[Any, Run], Any]
WriteText = Callable[[Any, Run], str | None]
WriteNode = Callable[[Any, Any, Run], None]


class UnknownCode(ValueError):
    """A code that its table does not hold; `code` is told to nobody but the count of tasks."""

    def __init__(self, table: str, code: object, system: str | None = None) -> None:
        super().__init__(table)
        self.code = code
        self.system = system


class Conversion(NamedTuple):
    """Both directions of one rule's conversion. None: the value passes unchanged (or the direction is impossible, see `one_way`)."""

    read: Read | None
    write: WriteText | None  # for a leaf
    fill: WriteNode | None  # for a node
    one_way: bool  # the datatype has no writer


def conversion(
    rule: Rule, datatype: Datatype | None, table: Table | None, systems: Systems, side: str, target: Any
) -> Conversion:
    """Compile what the rule's `as` and `code` say for an Exchange end of type `target`. ValueError when the types do not meet."""
    one_way = datatype is not None and datatype.write is None
    if table is not None:
        return _coded(datatype, table, systems, side, target, one_way)
    if datatype is None:
        return Conversion(*_plain(target), None, False)
    _meets(datatype, target)
    if datatype.node:
        return Conversion(datatype.read, None, datatype.write, one_way)
    return Conversion(datatype.read, datatype.write, None, one_way)


def _meets(datatype: Datatype, target: Any) -> None:
    made = getattr(datatype.value, "__supertype__", datatype.value)
    if made is not Any and made is not target:
        raise ValueError(
            f"datatype {datatype.name!r} makes {name_of(made)}, this end of the Exchange holds {name_of(target)}"
        )


def _plain(target: Any) -> tuple[Read | None, WriteText | None]:
    if target is str:
        return None, None
    if target is int:
        field = Field("this value", int, False)
        return (lambda text, run: field.convert(text)), (lambda value, run: str(value))
    raise ValueError(f"this end of the Exchange holds {name_of(target)}: say how to read it with 'as', 'code' or 'use'")


def _coded(
    datatype: Datatype | None, table: Table, systems: Systems, side: str, target: Any, one_way: bool
) -> Conversion:
    triple = datatype is not None and datatype.value is Concept
    if datatype is not None and not triple and datatype.value is not str:
        raise ValueError(f"datatype {datatype.name!r} makes {name_of(datatype.value)}; 'code' needs text or a Concept")
    lookup = _Lookup(table, systems, side, target, triple)
    if datatype is None:
        return Conversion(lambda text, run: lookup.read(text), lambda value, run: lookup.write(value, run), None, False)
    inner_read, inner_write = datatype.read, datatype.write or _no_writer

    def read(found: Any, run: Run) -> Any:
        value = inner_read(found, run)
        return value if value is None or not isinstance(value, str | Concept) else lookup.read_any(value, run)

    def write(value: Any, run: Run) -> str | None:
        text: str | None = inner_write(lookup.write(value, run), run)
        return text

    def fill(value: Any, node: Any, run: Run) -> None:
        inner_write(lookup.concept(value, run) if triple else lookup.write(value, run), node, run)

    return Conversion(read, None, fill, one_way) if datatype.node else Conversion(read, write, None, one_way)


def _no_writer(*_: Any) -> Any:
    raise LookupError("a datatype without a writer is read only: the compiler refuses to write it")


class _Lookup:
    """A table for one side and one type of the Exchange end: a word, yes or no, or a Concept."""

    def __init__(self, table: Table, systems: Systems, side: str, target: Any, triple: bool) -> None:
        self.table = table
        self.systems = systems
        self.side = side
        self.as_concept = target is Concept
        if not self.as_concept and target not in (str, bool):
            raise ValueError(
                f"terminology {table.name!r} gives words, this end of the Exchange holds {name_of(target)}"
            )
        field = Field("this value", str if self.as_concept else target, False)
        try:
            self.words = {word: field.convert(word) for word in {row.exchange for row in table.rows}}
        except ValueError as error:
            raise ValueError(f"terminology {table.name!r}: {error}") from error
        self.reads = {code: self.value(word) for code, word in table.reads(side).items()}
        self.writes = {self.words[word]: coded for word, coded in table.writes(side).items()}
        self.ends = {self.words[word]: end for word, end in table.ends.items()}
        self.triple = triple

    def value(self, word: str) -> Any:
        """The Exchange value of a canonical word."""
        if not self.as_concept:
            return self.words[word]
        coded = self.table.from_exchange("exchange", word)
        if coded is None:
            return Concept(code=word)
        return Concept(code=coded.code, system=coded.system, display=coded.display)

    def read(self, code: str) -> Any:
        try:
            return self.reads[code]
        except KeyError:
            raise UnknownCode(self.table.name, code) from None

    def read_any(self, value: str | Concept, run: Run) -> Any:
        if isinstance(value, str):
            return self.read(value)
        native = self.systems.for_side(self.side, value.system) if value.system else None
        word = self.table.to_exchange(self.side, value.code, native)
        if word is None:
            if not self.as_concept:
                raise UnknownCode(self.table.name, value.code, value.system)
            # a Concept can hold any code: it is kept as received, and said
            run.unknown_code(self.table.name, "read", self.side, value.code, value.system)
            return value
        found = self.value(word)
        if isinstance(found, Concept):
            # the sender's label and text stay when the table adds none
            return msgspec.structs.replace(
                found, display=value.display or found.display, version=value.version, text=value.text
            )
        return found

    def write(self, value: Any, run: Run) -> str:
        word = value.code if self.as_concept else value
        coded = self.writes.get(word)
        if coded is None:
            raise UnknownCode(self.table.name, word, value.system if self.as_concept else None)
        if word in self.ends:
            self._warn(word, run)
        return coded.code

    def concept(self, value: Any, run: Run) -> Concept:
        """The coded triple to write; a Concept that the table does not hold is written as it is, with a warning."""
        word = value.code if self.as_concept else value
        coded = self.writes.get(word)
        if coded is not None:
            if word in self.ends:
                self._warn(word, run)
            system = self.systems.canonical(coded.system) if coded.system else None
            found = Concept(code=coded.code, system=system, display=coded.display)
            if not self.as_concept:
                return found
            return msgspec.structs.replace(
                found, display=value.display or coded.display, version=value.version, text=value.text
            )
        if self.as_concept and isinstance(value, Concept):
            run.unknown_code(self.table.name, "write", self.side, value.code, value.system)
            return value
        raise UnknownCode(self.table.name, word)

    def _warn(self, word: Any, run: Run) -> None:
        """The code has left its table: it is written all the same, and said (from the day of its end on)."""
        if self.ends[word] <= run.context.now[:10]:
            run.report(Severity.WARNING, IssueCode.CODE_RETIRED, table=self.table.name)
