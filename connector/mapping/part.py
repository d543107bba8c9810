"""One rule checked and compiled to its parts: how to get, convert and put in each direction, and how it reports trouble.

Everything that can be wrong with a rule by itself is found here; what rules can do to one another is in checks.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from connector.exchange.model import Context
from connector.exchange.moments import Moment
from connector.exchange.people import Concept
from connector.issues import IssueCode, Place, Severity
from connector.mapping.access import FormatPath
from connector.mapping.convert import Conversion, UnknownCode, conversion
from connector.mapping.exchange import ExchangePath, parse_exchange
from connector.mapping.language import Datatype, Located, MappingError, MappingSpec, Rule, Run, Shape
from connector.mapping.paths import closest
from connector.mapping.when import Condition, parse_condition
from connector.terminology import Table, Tables, untranslated

__all__ = ["Part", "Workbench"]


class Workbench:
    """What rules are compiled with: the shapes by side, the terminology, the Exchange types by name."""

    def __init__(self, shapes: dict[str, Shape], tables: Tables, types: dict[str, type[msgspec.Struct]]) -> None:
        self.shapes = shapes
        self.tables = tables
        self.types = types
        self.context = Context(now=Moment(""), table=tables.table, systems=tables.systems)
        self.used_tables: set[str] = set()


class Part:
    """A rule with its compiled ends. MappingError names the rule's line and what was expected."""

    def __init__(self, rule: Rule, spec: MappingSpec, bench: Workbench, model: type[msgspec.Struct]) -> None:
        self.rule = rule
        self.spec = spec
        self.shape = bench.shapes[spec.side]
        self.inner: Any = None  # the Mapping of `use`, linked later
        self.recursive = False  # the mapping of `use` comes back to this one
        self.earlier = ""  # the place of the first rule that reads the same Exchange end
        try:
            self.datatype = self._datatype()
            self._keys()
            self.table = self._table(bench)
            self.path = self._format_path(bench.context)
            self.exchange = self._exchange_path(model)
            self.conversion = self._conversion(bench)
            self.constant = self._constant(bench)
            self.condition = self._condition(bench.context, model)
            self.absent = self._absent(bench.context)
            self._together()
        except ValueError as error:
            raise MappingError(rule.place, str(error)) from error
        if self.table is not None:
            bench.used_tables.add(self.table.name)
        bench.used_tables |= {p.table for s in self._steps() for p in s.predicates if p.table}

    def _steps(self) -> tuple[Any, ...]:
        return self.path.parsed.steps if self.path is not None else ()

    # ---- checks

    def _datatype(self) -> Datatype | None:
        name = self.rule.datatype
        if name is None:
            return None
        known = self.shape.datatypes
        if name not in known:
            raise ValueError(f"unknown datatype {name!r} for {self.spec.side}{closest(name, known)}")
        return known[name]

    def _keys(self) -> None:
        rule = self.rule
        if rule.when is not None and rule.only is None:
            raise ValueError("'when' stands only in a rule that says 'only: read' or 'only: write'")
        if rule.use is not None:
            for key, value in (
                ("as", rule.datatype),
                ("code", rule.code),
                ("const", rule.const),
                ("default", rule.default),
            ):
                if value is not None:
                    raise ValueError(f"'use' and {key!r} exclude one another")
        if rule.const is not None and rule.path is not None and rule.exchange is not None:
            raise ValueError("a 'const' has one end: name the format's or the Exchange's, not both")
        if rule.const is None and (rule.path is None or rule.exchange is None):
            missing = "exchange" if rule.exchange is None else self.spec.side
            raise ValueError(f"the end {missing!r} is missing (only a 'const' has one end)")
        if rule.default is not None and (rule.required or rule.const is not None):
            raise ValueError("'default' excludes 'required' and 'const'")
        if rule.default is not None and rule.only == "write":
            raise ValueError("'default' belongs to reading; this rule says 'only: write'")
        if rule.absent is not None and rule.only == "read":
            raise ValueError("'absent' belongs to writing; this rule says 'only: read'")

    def _table(self, bench: Workbench) -> Table | None:
        if self.rule.code is None:
            return None
        try:
            return bench.tables.table(self.rule.code)
        except KeyError as error:
            raise ValueError(str(error.args[0])) from error

    def _format_path(self, context: Context) -> FormatPath | None:
        if self.rule.path is None:
            return None
        leaf = self.rule.use is None and not (self.datatype is not None and self.datatype.node)
        anchor = self.spec.anchor
        return FormatPath(self.shape, self.shape.parse(self.rule.path, anchor, leaf=leaf), anchor, context)

    def _exchange_path(self, model: type[msgspec.Struct]) -> ExchangePath | None:
        return parse_exchange(self.rule.exchange, model) if self.rule.exchange is not None else None

    def _conversion(self, bench: Workbench) -> Conversion:
        if self.rule.use is not None:
            return Conversion(None, None, None, False)
        target = self.exchange.target if self.exchange is not None else str
        if self.exchange is None and self.datatype is not None and self.table is None:
            target = getattr(self.datatype.value, "__supertype__", self.datatype.value)
        if self.path is None:
            return Conversion(None, None, None, False)
        return conversion(self.rule, self.datatype, self.table, bench.tables.systems, self.spec.side, target)

    def _constant(self, bench: Workbench) -> Any:
        text = self.rule.const if self.rule.const is not None else self.rule.default
        if text is None:
            return None
        if self.exchange is None:
            return text == "true" if self.datatype is not None and self.datatype.value is bool else text
        field = self.exchange.field
        if field is None:
            raise ValueError("a constant needs a field of the Exchange, not '.'")
        if field.type is Concept and self.table is not None:
            coded = self.table.from_exchange("exchange", text)
            return Concept(code=coded.code, system=coded.system, display=coded.display) if coded else Concept(code=text)
        return field.convert(text)

    def _condition(self, context: Context, model: type[msgspec.Struct]) -> Condition | None:
        if self.rule.when is None:
            return None
        if self.rule.only == "write":
            return parse_condition(self.rule.when, lambda text: parse_exchange(text, model).values())
        anchor = self.spec.anchor
        return parse_condition(
            self.rule.when,
            lambda text: FormatPath(self.shape, self.shape.parse(text, anchor, leaf=True), anchor, context).get,
        )

    def _absent(self, context: Context) -> FormatPath | None:
        if self.rule.absent is None:
            return None
        if self.shape.absent is None or self.path is None:
            raise ValueError(f"'absent' writes a null flavour; {self.spec.side} has none")
        return self.path.beside(self.shape.absent, context)

    def _together(self) -> None:
        rule, path, exchange = self.rule, self.path, self.exchange
        if path is not None and exchange is not None and path.many != exchange.many:
            where = rule.path if path.many else rule.exchange
            raise ValueError(f"'[]' stands on one end only ({where!r}): write it on both ends or on none")
        if rule.default is not None and exchange is not None and exchange.many:
            raise ValueError("'default' has no meaning for each of a list")
        if self.conversion.one_way and rule.only != "read":
            raise ValueError(f"datatype {rule.datatype!r} has no writer: the rule must say 'only: read'")
        if rule.only != "write" or exchange is None:
            return
        if any(p.op == ":=" for step in exchange.steps for p, _, _ in step.predicates):
            raise ValueError("':=' in the Exchange sets a value while reading; this rule says 'only: write'")

    # ---- what a rule does in each direction

    @property
    def format_end(self) -> FormatPath:
        """The format's end of a rule that has one."""
        if self.path is None:
            raise LookupError(f"{self.rule.place}: the rule has no end in {self.spec.side}")
        return self.path

    @property
    def exchange_end(self) -> ExchangePath:
        """The Exchange end of a rule that has one."""
        if self.exchange is None:
            raise LookupError(f"{self.rule.place}: the rule has no end in the Exchange")
        return self.exchange

    @property
    def reads(self) -> bool:
        """Whether it takes part in reading."""
        return self.rule.only != "write"

    @property
    def writes(self) -> bool:
        """Whether it takes part in writing."""
        return self.rule.only != "read"

    @property
    def reading_needs(self) -> Any:
        """What must stand in a node for the rule to do anything while reading; None when that cannot be said."""
        return None if self.rule.required else self.format_end.needs

    @property
    def writing_needs(self) -> str | None:
        """The field that must be filled for the rule to do anything while writing; None when that cannot be said."""
        if self.rule.required or self.absent is not None or self.exchange is None or not self.exchange.steps:
            return None
        return self.exchange.steps[0].field.name

    # ---- trouble, spelt only when it happens

    def spell(self, node: Any, found: Any, run: Run) -> str:
        """The place of `found` (a node or a leaf's text; None: what is missing) below `node`, in the format's notation."""
        way: list[Located] = []
        for path, parent, child in run.trail:
            way += path.locate(parent, child)
        if self.path is None:
            return self.rule.exchange or ""
        leaf = self.path.parsed.leaf
        way += self.path.locate(node, self._holder(node, found))
        return self.shape.place(way, leaf.name if leaf is not None else None)

    def _holder(self, node: Any, found: Any) -> Any:
        path = self.format_end
        if found is None or path.leaf is None:
            return found
        nodes = path.nodes(node)
        get = path.leaf.get
        exact = [holder for holder in nodes if any(value is found for value in get(holder))]
        return next(iter(exact or (holder for holder in nodes if found in get(holder))), None)

    def report(self, run: Run, severity: Severity, code: IssueCode, node: Any, found: Any, **params: object) -> None:
        """An issue while reading."""
        run.rule = self.rule.place
        run.report(severity, code, self.spell(node, found, run), **params)
        run.rule = None

    def settle(self, run: Run, first: int, spell: Callable[[], str]) -> None:
        """Give place and rule to the issues that a datatype reported since `first`."""
        issues = run.issues
        for index in range(first, len(issues)):
            issue = issues[index]
            if issue.place.rule is None:
                place = Place(issue.place.path or spell(), self.rule.place)
                issues[index] = msgspec.structs.replace(issue, place=place)

    def unreadable(self, error: ValueError, node: Any, found: Any, run: Run) -> None:
        """A value that the datatype or table refuses: ERROR, or WARNING when the rule has a default to fall back on."""
        severity = Severity.WARNING if self.rule.default is not None else Severity.ERROR
        if isinstance(error, UnknownCode):
            self._count(error, "read", run)
            self.report(run, severity, IssueCode.MAP_UNKNOWN_CODE, node, found, table=self.rule.code)
        else:
            self.report(run, severity, IssueCode.MAP_DATA_TYPE, node, found, expected=self.expected)

    def _count(self, error: UnknownCode, way: str, run: Run) -> None:
        run.untranslated.append(untranslated(self.rule.code or "", way, self.spec.side, error.code, error.system))

    @property
    def expected(self) -> str:
        """What the value should have been, for a message."""
        if self.rule.datatype is not None:
            return self.rule.datatype
        return "number" if self.exchange is not None and self.exchange.target is int else "text"

    def spell_exchange(self, run: Run) -> str:
        """The Exchange end below the mappings in hand, while writing."""
        ends = [
            *(end for end in run.trail if end != "."),
            *([self.rule.exchange] if self.rule.exchange not in (None, ".") else []),
        ]
        return ".".join(str(end) for end in ends) or "."

    def complain(self, run: Run, severity: Severity, code: IssueCode, **params: object) -> None:
        """An issue while writing: its place is the Exchange end, or the format's path when the rule has no other."""
        run.rule = self.rule.place
        run.report(
            severity,
            code,
            self.spell_exchange(run) if self.rule.exchange is not None else self.rule.path or "",
            **params,
        )
        run.rule = None

    def unwritable(self, error: ValueError, run: Run) -> None:
        """A value that the datatype or table cannot write."""
        if isinstance(error, UnknownCode):
            self._count(error, "write", run)
            self.complain(run, Severity.ERROR, IssueCode.MAP_UNKNOWN_CODE, table=self.rule.code)
        else:
            self.complain(run, Severity.ERROR, IssueCode.MAP_NOT_WRITABLE, expected=self.expected)
