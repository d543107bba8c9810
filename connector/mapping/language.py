"""The mapping language: its rules as data, and `Shape`, what a format owes the compiler.

The language knows no format. A rule names two ends; the end of a format is a path that the format's `Shape` takes apart into
`Step`s and a leaf; predicates, `[]`, `use`, `as`, `code` mean the same everywhere and are compiled in one place (compile.py).
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from collections.abc import Mapping as MappingType
from typing import Any, NamedTuple, Protocol

import msgspec

from connector.exchange.model import Context
from connector.issues import Issue, IssueCode, Place, Severity
from connector.terminology import Untranslated, untranslated

__all__ = [
    "ERASE",
    "KEYS",
    "Datatype",
    "Erase",
    "Leaf",
    "LeafAccess",
    "Located",
    "MappingError",
    "MappingErrors",
    "MappingSpec",
    "ParsedPath",
    "Predicate",
    "Rule",
    "Run",
    "Shape",
    "Step",
    "StepAccess",
    "Traced",
]

#: Keys that a rule may hold besides the name of a format's side and `exchange`. Nothing else is understood.
KEYS = ("as", "code", "use", "when", "const", "default", "required", "only", "absent", "note")


class MappingError(Exception):
    """One mistake in a mapping file: `place` is `file:line`."""

    def __init__(self, place: str, text: str) -> None:
        super().__init__(f"{place}: {text}")
        self.place = place
        self.text = text


class MappingErrors(Exception):
    """Every mistake of a set of mapping files, found in one go."""

    def __init__(self, errors: Iterable[MappingError]) -> None:
        self.errors = tuple(errors)
        super().__init__("\n".join(str(error) for error in self.errors))


class Predicate(msgspec.Struct, frozen=True):
    """One `[…]` of a step. `op`: `=` (test on read, construct on write), `:=` (write only), `!=`, `in` (a|b), `prefix` (x*), `exists`, `absent`.

    `path` is relative to the step's node ("" = the node itself). For `[3=meta-dmp#DESTDMP]`, `table` is `meta-dmp`, `value` is `DESTDMP`.
    """

    path: str
    op: str
    value: str = ""
    table: str = ""


class Step(msgspec.Struct, frozen=True):
    """`name ("->" reference)? predicate* ("[]" | "[1]")?` — `many` for `[]`, `first` for `[1]`."""

    name: str
    reference: str | None = None
    predicates: tuple[Predicate, ...] = ()
    many: bool = False
    first: bool = False


class Leaf(msgspec.Struct, frozen=True):
    """The last part of a path when it ends at a value: `name` in the format's own words (`5.2`, `@root`, `family`, `#text`)."""

    name: str
    many: bool = False


class ParsedPath(msgspec.Struct, frozen=True):
    """A path taken apart. No steps and no leaf: the node itself (`.` or `*`)."""

    steps: tuple[Step, ...] = ()
    leaf: Leaf | None = None


class Erase:
    """The type of `ERASE`: the sender explicitly empties the value (HL7 `""`)."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "ERASE"


#: What a datatype's `read` gives for an explicit null (HL7 `""` as the whole value). The compiler leaves the value absent, keeps its
#: exchange path in `Run.erased` and reports MAP_ERASED: reported, never lost.
ERASE = Erase()


class Located(NamedTuple):
    """One step on the way to a node: the step's name (`name->Type` for a reference), its 1-based number among the children of that name
    (all of them, before predicates), and the node."""

    name: str
    number: int
    node: Any


class StepAccess(NamedTuple):
    """How a format walks one step. `select(node)` gives the child nodes (predicates not yet applied, except those whose indexes are in
    `tested`); `create(node)` adds a new child node and returns it. Writing repeats of one `[]` step calls `create` once a repeat.
    `needs`: what `Shape.filled` must name for `select` to find anything."""

    select: Callable[[Any], list[Any]]
    create: Callable[[Any], Any]
    tested: frozenset[int] = frozenset()
    needs: Any = None


class LeafAccess(NamedTuple):
    """How a format reads and writes a value of a node. `get` gives [] when absent or empty; `put` sets (or appends, when the leaf is many).
    `needs`: as of a step."""

    get: Callable[[Any], list[Any]]
    put: Callable[[Any, Any], None]
    needs: Any = None


class Datatype(msgspec.Struct, frozen=True):
    """A read/write pair. `node`: True when it takes a node (`read(node, run) -> value | None`, `write(value, node, run) -> None`);
    False for a leaf (`read(text, run) -> value | None`, `write(value, run) -> text`). Raises ValueError when the value is not of this type
    (the compiler makes it an issue with place and rule). `write` None: the rule must say `only: read`. `value` is the canonical type."""

    name: str
    read: Callable[..., Any]
    write: Callable[..., Any] | None
    node: bool
    value: Any = str


class Run:
    """One conversion: its Context, the issues met, and (when explaining) the record of what came from where."""

    __slots__ = ("context", "derivations", "erased", "issues", "pending", "place", "rule", "trail", "untranslated")

    def __init__(self, context: Context, *, explain: bool = False) -> None:
        self.context = context
        self.issues: list[Issue] = []
        self.rule: str | None = None  # file:line of the rule in hand, set only when it reports
        self.place: str = ""
        self.erased: list[
            tuple[str, str]
        ] = []  # (place in the format, exchange path of the rule) of each explicit null
        self.pending: list[Any] = []  # tests to repeat when everything is written; the compiler's own
        self.trail: list[
            Any
        ] = []  # where nested mappings are, so that an issue can spell its place; the compiler's own
        self.derivations: list[tuple[str, tuple[str, ...], str]] | None = [] if explain else None
        self.untranslated: list[Untranslated] = []  # the codes of the MAP_UNKNOWN_CODE issues, to be counted as tasks

    def report(self, severity: Severity, code: IssueCode, path: str = "", **params: object) -> None:
        """Add an issue at `path` (default: the place in hand)."""
        # Not by Issue.of: a parameter of the text may itself be called `rule` (MAP_DISAGREES).
        texts = {name: str(value) for name, value in params.items()}
        self.issues.append(Issue(severity, code.name, Place(path or self.place, self.rule), texts))

    def unknown_code(self, table: str, way: str, side: str, code: object, system: str | None = None) -> None:
        """Report MAP_UNKNOWN_CODE as a warning, and keep the code to be counted (`way`: `read` or `write`)."""
        self.report(Severity.WARNING, IssueCode.MAP_UNKNOWN_CODE, table=table)
        self.untranslated.append(untranslated(table, way, side, code, system))

    def derived(self, output: str, sources: Iterable[str], by: str) -> None:
        """Say that the output place was computed from Exchange places by code (`assemble`, `take_apart`, rules), for `explain`."""
        if self.derivations is not None:
            self.derivations.append((output, tuple(sources), by))


class Traced(str):
    """A leaf's text that remembers the places it came from; `explain` reads a tree whose leaves are all Traced.

    Text made from it by slicing, stripping, splitting, replacing or adding keeps the places. What loses them (a look-up in a
    table, a number) is attributed by the rule that read it.
    """

    places: frozenset[str]

    def __new__(cls, text: str, places: Iterable[str] = ()) -> Traced:
        """Text with its places."""
        traced = super().__new__(cls, text)
        traced.places = frozenset(places)
        return traced

    def __radd__(self, other: str) -> Traced:
        """Plain text + Traced."""
        return Traced(other + str(self), self.places)

    def __iter__(self) -> Iterator[Traced]:
        return (Traced(character, self.places) for character in str(self))


def _keeping(name: str) -> Callable[..., Any]:
    plain = getattr(str, name)

    def keep(self: Traced, *arguments: Any, **named: Any) -> Any:
        places = self.places.union(*(a.places for a in arguments if isinstance(a, Traced)))
        made = plain(self, *arguments, **named)
        if isinstance(made, str):
            return Traced(made, places)
        return type(made)(Traced(part, places) for part in made)

    keep.__name__ = name
    keep.__doc__ = f"As `str.{name}`; the places are kept."
    return keep


for _name in (
    *(
        "__getitem__",
        "__add__",
        "__mul__",
        "strip",
        "lstrip",
        "rstrip",
        "lower",
        "upper",
        "casefold",
        "capitalize",
        "title",
    ),
    *("removeprefix", "removesuffix", "replace", "translate", "zfill", "ljust", "rjust", "expandtabs"),
    *("split", "rsplit", "splitlines", "partition", "rpartition"),
):
    setattr(Traced, _name, _keeping(_name))


class Shape(Protocol):
    """What a format owes the compiler: paths taken apart, nodes walked and made, its datatypes, its leaves listed."""

    side: str  # the key of this end in a rule: hl7, fhir, cda, xds, exchange
    datatypes: MappingType[str, Datatype]
    null: str | None  # the text of a leaf that means "erase" (HL7 '""'); None when the format has none
    absent: (
        str | None
    )  # the relative leaf path that takes a null flavour (CDA "@nullFlavor"); None: the key `absent` is refused
    filled: (
        Callable[[Any], Container[Any]] | None
    )  # what stands directly below a node, so that rules for other things are passed over; None: all rules are tried

    def parse(self, path: str, anchor: str, *, leaf: bool) -> ParsedPath:
        """Take a path apart. `anchor` is the mapping's own node (`between: {hl7: PID}` → `PID`): a leading step of that name without
        predicates is the node itself. `leaf` False: the path must end at a node. Raises ValueError saying what was expected."""
        ...

    def step(self, step: Step, parent: str) -> StepAccess:
        """Access to a step below a node of kind `parent`: the anchor, else the previous step's `reference`, else its `name`.

        Predicates are compiled by the compiler from `parse(predicate.path, kind, leaf=True)` (relative to the step's node, no leading
        `-`), except those whose index is in `tested`. `step(Step(name))` without predicates is called for places in issues.
        """
        ...

    def leaf(self, leaf: Leaf, parent: str) -> LeafAccess:
        """Access to a leaf of a node of kind `parent`."""
        ...

    def coded(self, path: str, table: str, code: str, context: Context) -> list[tuple[str, str, bool]]:
        """For `[path=table#code]` (`code` is the exchange word of the table): (relative leaf path, text, tested) of code, system and
        label in this format. Called when a mapping is compiled; of the context only `table` and `systems` are set. ValueError: no such code."""
        ...

    def new(self, anchor: str) -> Any:
        """An empty tree for a mapping of this anchor."""
        ...

    def finish(self, tree: Any, structure: str | None) -> Any:
        """Order, number and drop empties after writing (`structure` heads an HL7 message mapping)."""
        ...

    def traced(
        self, tree: Any, prefix: str = "", make: Callable[[str, tuple[str, ...]], str] = Traced
    ) -> tuple[Any, dict[int, str]]:
        """A deep copy whose text leaves are `make(text, (place,))`, and the place of each node of the copy by its `id`.

        `tree` is a whole tree or any node of one (then `prefix` is that node's place). `explain` and the metamorphic test give another
        `make` to change one leaf: places are those of `leaves`. A leaf for which `make` returns "" is left out or empty.
        """
        ...

    def place(self, way: Sequence[Located], leaf: str | None) -> str:
        """Spell a place for an issue in the notation of `leaves`: the steps from the tree's root and the leaf's name, if any."""
        ...

    def leaves(self, tree: Any, prefix: str = "") -> Iterable[tuple[str, Any]]:
        """Every filled leaf: its place (1-based, unique, in the format's notation) and its value."""
        ...


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """One rule as written, with its place `file:line`."""

    place: str
    side: str | None = None  # the key of the format's end as written
    path: str | None = None  # the format's end
    exchange: str | None = None
    datatype: str | None = None  # as
    code: str | None = None
    use: str | None = None
    when: str | None = None
    const: str | None = None
    default: str | None = None
    required: bool = False
    only: str | None = None  # read | write
    absent: str | None = None
    note: str | None = None


class MappingSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A mapping file as data. `side` is the format's key, `anchors` its node (the first is its name, others may hold it too, `*` any),
    `target` the Exchange type's name, `site` the one site that it is for. `extends` and `drop` are used up by the loader."""

    name: str
    place: str
    side: str
    anchors: tuple[str, ...]
    target: str
    rules: tuple[Rule, ...]
    structure: str | None = None
    accepts: dict[str, tuple[str, ...]] = {}
    extends: str | None = None
    drop: tuple[Rule, ...] = ()
    site: str | None = None
    note: str | None = None

    @property
    def anchor(self) -> str:
        """The node's name."""
        return self.anchors[0]
