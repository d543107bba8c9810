"""YAML text -> MappingSpec: keys checked, `extends` and site overlays resolved, every mistake of every file found at once.

A file holds one or more documents. A document is a mapping (`mapping:`) or an overlay on one (`overlay:`, for a site). Rules are told
apart by their two ends: a rule of an extension or overlay replaces the rules of the base that have the same two ends.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

import msgspec

from connector.mapping.language import KEYS, MappingError, MappingSpec, Rule
from connector.mapping.paths import closest
from connector.mapping.strict_yaml import Item, documents

__all__ = ["CLAIMS", "Overlay", "read_specs"]

_MAPPING_KEYS = ("mapping", "between", "structure", "accepts", "extends", "drop", "rules", "site", "note")
_OVERLAY_KEYS = ("overlay", "site", "rules", "add", "drop", "accepts", "note")
#: What `accepts` may claim, singular or plural.
CLAIMS = ("type", "version", "profile")
_SITE = re.compile(r"(?:^|/)sites/([^/]+)/")

Ends = tuple[str | None, str | None]


class Overlay(msgspec.Struct, frozen=True, kw_only=True):
    """What a site changes of a mapping: `rules` replace, `add` are new, `drop` go."""

    target: str
    place: str
    site: str
    rules: tuple[Rule, ...]
    add: tuple[Rule, ...]
    drop: tuple[Rule, ...]
    accepts: dict[str, tuple[str, ...]] = {}


class _Unresolved(msgspec.Struct):
    """A mapping whose `between` may still come from its base."""

    spec: MappingSpec
    own_between: bool


class _Reading:
    """One file being read: collects its mistakes."""

    def __init__(self, name: str, sides: Collection[str]) -> None:
        self.name = name
        self.sides = tuple(sides)
        self.errors: list[MappingError] = []
        self.specs: list[_Unresolved] = []
        self.overlays: list[Overlay] = []

    def fail(self, place: str, text: str) -> None:
        self.errors.append(MappingError(place, text))

    def trying(self, read: Callable[..., Any], *arguments: Any, default: Any = None) -> Any:
        try:
            return read(*arguments)
        except MappingError as error:
            self.errors.append(error)
            return default

    def document(self, item: Item) -> None:
        table = item.table("a mapping file")
        if "mapping" in table:
            self.mapping(item.place, table)
        elif "overlay" in table:
            self.overlay(item.place, table)
        else:
            hint = closest(next(iter(table), ""), ("mapping", "overlay"))
            self.fail(item.place, f"a document begins with 'mapping:' or 'overlay:'{hint}")

    def keys(self, table: Mapping[str, Item], known: Iterable[str]) -> None:
        known = tuple(known)
        for key, value in table.items():
            if key not in known:
                self.fail(value.place, f"unknown key {key!r}{closest(key, known)}")

    def text(self, table: Mapping[str, Item], key: str) -> str | None:
        item = table.get(key)
        return None if item is None else self.trying(item.text, repr(key))

    def mapping(self, place: str, table: dict[str, Item]) -> None:
        self.keys(table, _MAPPING_KEYS)
        extends = self.text(table, "extends")
        side, anchors, target = "", (), ""
        if "between" in table:
            side, anchors, target = self.trying(self.between, table["between"], default=("", (), ""))
        elif extends is None:
            self.fail(place, "'between: {side: node, exchange: Type}' is missing")
        spec = MappingSpec(
            name=self.text(table, "mapping") or "",
            place=table["mapping"].place,
            side=side,
            anchors=anchors,
            target=target,
            rules=self.rules(table, "rules", side),
            structure=self.text(table, "structure"),
            accepts=self.trying(_accepts, table["accepts"], default={}) if "accepts" in table else {},
            extends=extends,
            drop=self.rules(table, "drop", side),
            site=self.site(table),
            note=self.text(table, "note"),
        )
        self.specs.append(_Unresolved(spec, "between" in table))

    def site(self, table: Mapping[str, Item]) -> str | None:
        found = _SITE.search(self.name)
        return self.text(table, "site") or (found[1] if found else None)

    def overlay(self, place: str, table: dict[str, Item]) -> None:
        self.keys(table, _OVERLAY_KEYS)
        site = self.site(table)
        if site is None:
            self.fail(place, "an overlay belongs to a site: write 'site:', or lay the file in sites/<site>/")
        self.overlays.append(
            Overlay(
                target=self.text(table, "overlay") or "",
                place=table["overlay"].place,
                site=site or "",
                rules=self.rules(table, "rules", ""),
                add=self.rules(table, "add", ""),
                drop=self.rules(table, "drop", ""),
                accepts=self.trying(_accepts, table["accepts"], default={}) if "accepts" in table else {},
            )
        )

    def between(self, item: Item) -> tuple[str, tuple[str, ...], str]:
        table = item.table("'between'")
        sides = [key for key in table if key != "exchange"]
        for side in sides:
            if side not in self.sides:
                raise MappingError(
                    table[side].place, f"unknown side {side!r}{closest(side, (*self.sides, 'exchange'))}"
                )
        if len(sides) != 1 or "exchange" not in table:
            raise MappingError(
                item.place, "'between' names one format's node and one exchange type: {hl7: PID, exchange: Patient}"
            )
        anchors = tuple(part.strip() for part in table[sides[0]].text(f"'between.{sides[0]}'").split("|"))
        return sides[0], anchors, table["exchange"].text("'between.exchange'")

    def rules(self, table: Mapping[str, Item], key: str, side: str) -> tuple[Rule, ...]:
        if key not in table:
            return ()
        found = [self.trying(self.rule, item, side) for item in self.trying(table[key].items, repr(key), default=[])]
        rules = tuple(rule for rule in found if rule is not None)
        first: dict[Ends, str] = {}
        for rule in rules:
            if ends(rule) in first:
                self.fail(rule.place, f"a rule between {described(rule)} stands already at {first[ends(rule)]}")
            first[ends(rule)] = rule.place
        return rules

    def rule(self, item: Item, side: str) -> Rule | None:
        table = item.table("a rule")
        sides = (side,) if side else self.sides
        known = (*sides, "exchange", *KEYS)
        before = len(self.errors)
        for key, value in table.items():
            if key in known:
                continue
            if key in self.sides:
                self.fail(value.place, f"this mapping is between {side!r} and 'exchange'; {key!r} has no place in it")
            else:
                self.fail(value.place, f"unknown key {key!r}{closest(key, known)}")
        values = {key: self.text(table, key) for key in table if key in known}
        path = next((values[key] for key in sides if key in values), None)
        if path is None and "exchange" not in values:
            self.fail(item.place, f"a rule names its two ends: {' or '.join(map(repr, sides))} and 'exchange'")
        for key, allowed in (("required", ("true", "false")), ("only", ("read", "write"))):
            if values.get(key) not in (None, *allowed):
                self.fail(
                    table[key].place,
                    f"{key!r} is {' or '.join(allowed)}, not {values[key]!r}{closest(values[key] or '', allowed)}",
                )
        if len(self.errors) != before:
            return None
        return Rule(
            place=item.place,
            side=next((key for key in sides if key in values), None),
            path=path,
            exchange=values.get("exchange"),
            datatype=values.get("as"),
            required=values.get("required") == "true",
            **{key: values.get(key) for key in ("code", "use", "when", "const", "default", "only", "absent", "note")},
        )


def _accepts(item: Item) -> dict[str, tuple[str, ...]]:
    claims: dict[str, tuple[str, ...]] = {}
    for key, value in item.table("'accepts'").items():
        name = key.removesuffix("s")
        if name not in CLAIMS:
            raise MappingError(value.place, f"unknown claim {key!r}{closest(name, CLAIMS)}")
        if name in claims:
            raise MappingError(value.place, f"{name!r} is claimed twice")
        inner = value.value if isinstance(value.value, list) else [value]
        claims[name] = tuple(each.text(repr(key)) for each in inner)
    return claims


def read_file(name: str, text: str, sides: Collection[str]) -> _Reading:
    """One file: its mappings, its overlays and its mistakes."""
    reading = _Reading(name, sides)
    for document in reading.trying(documents, name, text, default=[]):
        reading.trying(reading.document, document)
    return reading


def ends(rule: Rule) -> Ends:
    """What tells a rule apart from the others of its mapping."""
    return rule.path, rule.exchange


def described(rule: Rule) -> str:
    """The two ends, for a message."""
    return " and ".join(repr(end) for end in ends(rule) if end is not None)


def replaced(base: tuple[Rule, ...], rules: tuple[Rule, ...]) -> tuple[tuple[Rule, ...], list[Rule]]:
    """The base with the rules of the same two ends put in their place, and the rules that replaced none."""
    result = list(base)
    fresh: list[Rule] = []
    for rule in rules:
        found = [index for index, old in enumerate(result) if ends(old) == ends(rule) and old not in rules]
        if not found:
            fresh.append(rule)
            continue
        result[found[0]] = rule
        for index in reversed(found[1:]):
            del result[index]
    return tuple(result), fresh


def dropped(base: tuple[Rule, ...], drop: tuple[Rule, ...], errors: list[MappingError]) -> tuple[Rule, ...]:
    """The base without the rules of the same two ends. A drop that finds nothing is a mistake."""
    known = {ends(rule) for rule in base}
    errors += [
        MappingError(rule.place, f"drops nothing: no rule between {described(rule)}{_near(rule, base)}")
        for rule in drop
        if ends(rule) not in known
    ]
    gone = {ends(rule) for rule in drop}
    return tuple(rule for rule in base if ends(rule) not in gone)


def _near(rule: Rule, base: tuple[Rule, ...]) -> str:
    same = [old for old in base if rule.exchange is not None and old.exchange == rule.exchange]
    if same:
        return f"; the rule for {rule.exchange!r} ({same[0].place}) has the other end {same[0].path!r}"
    return closest(rule.exchange or rule.path or "", [old.exchange or old.path or "" for old in base])


def resolve(
    unresolved: Iterable[_Unresolved], overlays: Iterable[Overlay], sites: Collection[str], errors: list[MappingError]
) -> list[MappingSpec]:
    """The mappings of the chosen sites with `extends` and overlays applied; mistakes are added to `errors`."""
    found: dict[str, _Unresolved] = {}
    for each in unresolved:
        if each.spec.site is not None and each.spec.site not in sites:
            continue
        if each.spec.name in found:
            errors.append(
                MappingError(
                    each.spec.place,
                    f"mapping {each.spec.name!r} is already defined ({found[each.spec.name].spec.place})",
                )
            )
            continue
        found[each.spec.name] = each
    chosen = sorted((o for o in overlays if o.site in sites), key=lambda o: list(sites).index(o.site))
    errors += [
        MappingError(overlay.place, f"no mapping {overlay.target!r} to lay over{closest(overlay.target, found)}")
        for overlay in chosen
        if overlay.target not in found
    ]
    done: dict[str, MappingSpec | None] = {}

    def resolved(name: str) -> MappingSpec | None:
        if name not in done:
            done[name] = None  # met again below: a circle
            spec = _extended(found[name], found, resolved, errors)
            for overlay in chosen:
                if spec is not None and overlay.target == name:
                    spec = _overlaid(spec, overlay, errors)
            done[name] = spec
        return done[name]

    return [spec for spec in map(resolved, found) if spec is not None]


def _extended(
    each: _Unresolved,
    found: Mapping[str, _Unresolved],
    resolved: Callable[[str], MappingSpec | None],
    errors: list[MappingError],
) -> MappingSpec | None:
    spec = each.spec
    if spec.extends is None:
        return spec if spec.side else None
    if spec.extends not in found:
        errors.append(MappingError(spec.place, f"no mapping {spec.extends!r} to extend{closest(spec.extends, found)}"))
        return None
    before = len(errors)
    base = resolved(spec.extends)
    if base is None:
        if len(errors) == before and _circular(spec.name, found):
            errors.append(MappingError(spec.place, f"{spec.name!r} extends itself"))
        return None
    _same_side(base.side, spec.rules, errors)
    rules, fresh = replaced(dropped(base.rules, spec.drop, errors), spec.rules)
    changes: dict[str, Any] = {"rules": (*rules, *fresh), "drop": ()}
    if not each.own_between:
        changes.update(side=base.side, anchors=base.anchors, target=base.target)
    if spec.structure is None:
        changes["structure"] = base.structure
    return msgspec.structs.replace(spec, **changes)


def _same_side(side: str, rules: Iterable[Rule], errors: list[MappingError]) -> None:
    errors += [
        MappingError(rule.place, f"the mapping is between {side!r} and 'exchange'; {rule.side!r} has no place in it")
        for rule in rules
        if rule.side not in (None, side)
    ]


def _circular(name: str, found: Mapping[str, _Unresolved]) -> bool:
    seen: set[str] = set()
    at: str | None = name
    while at is not None and at in found and at not in seen:
        seen.add(at)
        at = found[at].spec.extends
    return at in seen


def _overlaid(spec: MappingSpec, overlay: Overlay, errors: list[MappingError]) -> MappingSpec:
    _same_side(spec.side, (*overlay.rules, *overlay.add), errors)
    rules = dropped(spec.rules, overlay.drop, errors)
    rules, fresh = replaced(rules, overlay.rules)
    for rule in fresh:
        text = f"overrides nothing in {spec.name!r}: no rule between {described(rule)}{_near(rule, spec.rules)}; a new rule stands under 'add:'"
        errors.append(MappingError(rule.place, text))
    known = {ends(rule) for rule in rules}
    errors += [
        MappingError(
            rule.place, f"{described(rule)} exists already in {spec.name!r}; what changes it stands under 'rules:'"
        )
        for rule in overlay.add
        if ends(rule) in known
    ]
    return msgspec.structs.replace(spec, rules=(*rules, *overlay.add), accepts={**spec.accepts, **overlay.accepts})


def read_specs(
    files: Mapping[str, str], sides: Collection[str], sites: Collection[str] = ()
) -> tuple[list[MappingSpec], list[MappingError]]:
    """Every mapping of the files, by file name -> text, as the sites (first to last) want it, and every mistake of every file."""
    errors: list[MappingError] = []
    specs: list[_Unresolved] = []
    overlays: list[Overlay] = []
    for name, text in files.items():
        reading = read_file(name, text, sides)
        errors += reading.errors
        specs += reading.specs
        overlays += reading.overlays
    return resolve(specs, overlays, sites, errors), errors
