"""A small format of our own, to try the mapping language without any real one: a tree of named nodes with text leaves.

Paths: `person/name[@use=L]/@family`; a leaf begins with `@`, `@given[]` is a list of texts. Places: `person[1]/name[2]/@given[1]`.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from connector.exchange.model import Context
from connector.exchange.moments import Moment
from connector.exchange.people import Concept, HumanName, Identifier
from connector.issues import IssueCode, Severity
from connector.mapping.catalogue import Library, load_library
from connector.mapping.language import (
    ERASE,
    Datatype,
    Leaf,
    LeafAccess,
    Located,
    ParsedPath,
    Run,
    Step,
    StepAccess,
    Traced,
)
from connector.mapping.paths import parse_steps
from connector.terminology import Tables, load

NULL = '""'


class Node:
    """A node: its name, its children, its texts by leaf name."""

    def __init__(self, kind: str, /, *children: Node, **leaves: str | list[str]) -> None:
        self.name = kind
        self.children = list(children)
        self.leaves: dict[str, list[str]] = {k: [v] if isinstance(v, str) else v for k, v in leaves.items()}

    def text(self, leaf: str) -> str | None:
        found = self.leaves.get(leaf)
        return found[0] if found else None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Node) and self.plain() == other.plain()

    __hash__ = None  # type: ignore[assignment]

    def plain(self) -> Any:
        return (
            self.name,
            {k: list(map(str, v)) for k, v in self.leaves.items() if v},
            [c.plain() for c in self.children],
        )

    def __repr__(self) -> str:
        return f"Node{self.plain()}"


def read_date(text: str, run: Run) -> Moment:
    """YYYYMMDD."""
    if len(text) != 8 or not text.isdigit():
        raise ValueError("not a date")
    return Moment(f"{text[:4]}-{text[4:6]}-{text[6:]}")


def write_date(value: Moment, run: Run) -> str:
    """YYYYMMDD."""
    if len(value) != 10:
        raise ValueError("only whole days")
    return value.replace("-", "")


def read_yes_no(text: str, run: Run) -> bool:
    """Y or N."""
    return {"Y": True, "N": False}[text] if text in "YN" else _refuse()


def _refuse() -> bool:
    raise ValueError("neither Y nor N")


def read_identifier(node: Node, run: Run) -> Any:
    """@value, @system, @kind, and @scheme which only says what @system is."""
    value = node.text("value")
    if value == NULL:
        return ERASE
    if value is None:
        return None
    system = node.text("system")
    if system is not None and system.startswith("urn:oid:"):
        system = {"prefix": f"{system[8:]}"}["prefix"]
    kind = {"I": "INS", "P": "PI"}.get(node.text("kind") or "")
    if node.text("kind") and kind is None:
        run.report(Severity.WARNING, IssueCode.TABLE_VALUE, table="kind")
    return Identifier(value=value.strip(), system=system, kind=kind)


def write_identifier(value: Identifier, node: Node, run: Run) -> None:
    """As read."""
    kind = {"INS": "I", "PI": "P", None: None}
    if value.kind not in kind:
        raise ValueError("unknown kind")
    node.leaves["value"] = [value.value]
    if value.system:
        node.leaves["system"] = [value.system]
    if value.kind:
        node.leaves["kind"] = [str(kind[value.kind])]


def read_name(node: Node, run: Run) -> HumanName | None:
    """@family, @given[] and @use; the second given name is dropped on purpose."""
    family = node.text("family")
    given = node.leaves.get("given", [])
    use = {"L": "birth", "D": "usual"}.get(node.text("use") or "")
    return HumanName(family=family, given=tuple(given[:1]), use=use) if family or given else None


def write_name(value: HumanName, node: Node, run: Run) -> None:
    """As read."""
    use = {"birth": "L", "usual": "D", None: None}
    if value.use not in use:
        raise ValueError("unknown use")
    if value.family:
        node.leaves["family"] = [value.family]
    if value.given:
        node.leaves["given"] = [value.given[0]]
    if value.use:
        node.leaves["use"] = [str(use[value.use])]


def read_coded(node: Node, run: Run) -> Concept | None:
    """@code, @system, @label."""
    code = node.text("code")
    return Concept(code=code, system=node.text("system"), display=node.text("label")) if code else None


def write_coded(value: Concept, node: Node, run: Run) -> None:
    """As read."""
    for leaf, text in (("code", value.code), ("system", value.system), ("label", value.display)):
        if text:
            node.leaves[leaf] = [text]


DATATYPES = {
    d.name: d
    for d in (
        Datatype("date", read_date, write_date, False, Moment),
        Datatype("yes-no", read_yes_no, lambda v, run: "Y" if v else "N", False, bool),
        Datatype("identifier", read_identifier, write_identifier, True, Identifier),
        Datatype("name", read_name, write_name, True, HumanName),
        Datatype("coded", read_coded, write_coded, True, Concept),
        Datatype("upper", lambda t, run: t.upper(), None, False, str),
        Datatype(
            "base64", lambda t, run: base64.b64decode(t), lambda v, run: base64.b64encode(v).decode(), False, bytes
        ),
    )
}


class ToyShape:
    """The Shape of the toy format."""

    side = "toy"
    null = NULL
    absent = "@null"
    filled = None

    def __init__(self) -> None:
        self.datatypes = DATATYPES

    def parse(self, path: str, anchor: str, *, leaf: bool) -> ParsedPath:
        if path in (".", anchor) and not leaf:
            return ParsedPath()
        steps = list(parse_steps(path, "/"))
        if steps[0].name == anchor and not steps[0].predicates and not steps[0].many:
            del steps[0]
        if not leaf:
            if steps and steps[-1].name.startswith("@"):
                raise ValueError(f"{path!r} ends at a leaf, a node was expected")
            return ParsedPath(tuple(steps))
        if not steps or not steps[-1].name.startswith("@"):
            raise ValueError(f"{path!r} ends at a node, a leaf (@name) was expected")
        last = steps.pop()
        return ParsedPath(tuple(steps), Leaf(last.name, last.many))

    def step(self, step: Step, parent: str) -> StepAccess:
        def select(node: Node) -> list[Node]:
            return [child for child in node.children if child.name == step.name]

        def create(node: Node) -> Node:
            node.children.append(Node(step.name))
            return node.children[-1]

        return StepAccess(select, create)

    def leaf(self, leaf: Leaf, parent: str) -> LeafAccess:
        name = leaf.name[1:]
        if leaf.many:
            return LeafAccess(
                lambda node: list(node.leaves.get(name, ())), lambda node, v: node.leaves.setdefault(name, []).append(v)
            )
        return LeafAccess(
            lambda node: node.leaves.get(name, [])[:1], lambda node, v: node.leaves.__setitem__(name, [v])
        )

    def coded(self, path: str, table: str, code: str, context: Context) -> list[tuple[str, str, bool]]:
        assert context.table is not None
        coded = context.table(table).from_exchange("toy" if table == "toy-only" else "hl7", code)
        if coded is None:
            raise ValueError(f"terminology {table!r} has no {code!r}")
        prefix = f"{path}/" if path else ""
        return [
            (f"{prefix}@code", coded.code, True),
            (f"{prefix}@system", coded.system or "", True),
            (f"{prefix}@label", coded.display or "", False),
        ]

    def new(self, anchor: str) -> Node:
        return Node(anchor)

    def finish(self, tree: Node, structure: str | None) -> Node:
        tree.children = [c for c in (self.finish(child, None) for child in tree.children) if c.children or c.leaves]
        if structure:
            order = structure.split()
            tree.children.sort(key=lambda c: order.index(c.name) if c.name in order else len(order))
        return tree

    def traced(
        self, tree: Node, prefix: str = "", make: Callable[[str, tuple[str, ...]], str] = Traced
    ) -> tuple[Node, dict[int, str]]:
        places: dict[int, str] = {}

        def copy(node: Node, place: str) -> Node:
            made = Node(node.name)
            places[id(made)] = place
            for name, texts in node.leaves.items():
                made.leaves[name] = [
                    t for n, text in enumerate(texts, 1) if (t := make(text, (_leaf(place, name, n),))) != ""
                ]
            made.children = [copy(child, f"{place}/{p}" if place else p) for child, p in _numbered(node)]
            return made

        return copy(tree, prefix), places

    def place(self, way: Sequence[Located], leaf: str | None) -> str:
        spelt = "/".join(f"{each.name}[{each.number}]" for each in way)
        return f"{spelt}/{leaf}" if leaf and spelt else leaf or spelt

    def leaves(self, tree: Node, prefix: str = "") -> Iterable[tuple[str, str]]:
        for name, texts in tree.leaves.items():
            yield from ((_leaf(prefix, name, n), text) for n, text in enumerate(texts, 1))
        for child, place in _numbered(tree):
            yield from self.leaves(child, f"{prefix}/{place}" if prefix else place)


def _leaf(place: str, name: str, number: int) -> str:
    own = f"@{name}" if number == 1 else f"@{name}[{number}]"
    return f"{place}/{own}" if place else own


def _numbered(node: Node) -> list[tuple[Node, str]]:
    counts: dict[str, int] = {}
    found = []
    for child in node.children:
        counts[child.name] = counts.get(child.name, 0) + 1
        found.append((child, f"{child.name}[{counts[child.name]}]"))
    return found


TABLES = {
    "systems.csv": "alias,title,oid,uri,hl7,version,source,licence\nsnm,Names,1.2.3,,NM,,,\nmeta,Meta,,,MetaDMPMSS,,,\n",
    "sex.csv": "exchange,hl7\nmale,M\nfemale,F\nunknown,U\n",
    "yes.csv": "exchange,hl7\ntrue,Y\nfalse,N\n",
    "level.csv": "#hl7_system: snm\nexchange,hl7,display\nnormal,N,Normal\nsecret,S,Secret\n",
    "meta-dmp.csv": "#hl7_system: meta\nexchange,hl7,display\nDESTDMP,DESTDMP,Destinataire DMP\nMASQUE,MASQUE,Masque\n",
}


def tables() -> Tables:
    """The terminology of the toy; its side is called hl7 there because tables know the real sides only."""
    return load(TABLES)


class AsHl7(ToyShape):
    """The toy under a side that tables know."""

    side = "hl7"


def library(text: str, *more: str, sites: tuple[str, ...] = (), **named: str) -> Library:
    """A library of YAML texts: the first is main.yaml, the others more1.yaml…, named ones by their path."""
    files = {"main.yaml": text, **{f"more{n}.yaml": t for n, t in enumerate(more, 1)}, **named}
    return load_library(files, {"hl7": AsHl7()}, tables(), sites)


def run() -> Run:
    """A fresh conversion."""
    return Run(Context(now=Moment("2026-01-02T03:04:05+01:00")))
