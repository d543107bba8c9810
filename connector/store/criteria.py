"""The criteria of `connector.fhir.search` as one statement over the index rows: the criterion that finds the fewest leads, the others are looked up."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import sqlalchemy as sa

from connector.fhir.search import PARAMETERS, Alternative, Criterion, Query
from connector.store.tables import fhir_index, fhir_resource

__all__ = ["count", "numbered", "page"]

Condition = sa.ColumnElement[bool]
#: Sorts behind every date: a resource that has none.
_NO_DATE = -1e14
#: After every text that begins with what stands before it.
_LAST = "\U0010ffff"


def numbered(query: Query) -> sa.Select[Any]:
    """The numbers (`fhir_resource.sequence`) of all that is asked, each once, in no order."""
    lead = _lead(query)
    if lead is None:
        conditions = [_resource_condition(each, query.type) for each in query.criteria]
        return sa.select(fhir_resource.c.sequence).where(fhir_resource.c.type == query.type, *conditions)
    others = [each for each in query.criteria if each is not lead]
    branches = []
    for row, held in _branches(lead, query.type):
        rest = [_filter(each, query.type, row.c.sequence) for each in others]
        if lead.kind == "date":
            rest.append(row.c.low.is_not(None))  # said, so that the index of dates is used
        branches.append(sa.select(row.c.sequence).where(held, *rest))
    if _in_order(query):
        return branches[0].distinct()
    either = (sa.union_all(*branches) if len(branches) > 1 else branches[0]).subquery()
    return sa.select(_unordered(either.c.sequence).label("sequence")).distinct()


def _unordered(number: Any) -> Any:
    """A number that no index is in the order of: else SQLite walks through a whole type in order rather than look a value up."""
    return number + sa.literal_column("0")


def count(query: Query, most: int) -> sa.Select[Any]:
    """How many are asked, counted up to `most`."""
    return sa.select(sa.func.count()).select_from(numbered(query).limit(most).subquery())


def page(query: Query) -> sa.Select[Any]:
    """body, version, updated, number and sort key of one page and of one resource more, in order."""
    found = numbered(query)
    chosen = _sorted(query, found.subquery()) if query.sort else _in_order_of_creation(query, found)
    resource = fhir_resource
    key = chosen.c.get("key")
    order = [chosen.c.sequence] if key is None else [key, chosen.c.sequence]
    return (
        sa.select(
            resource.c.body,
            resource.c.version,
            resource.c.updated,
            chosen.c.sequence,
            (sa.literal(0.0) if key is None else key).label("key"),
        )
        .join_from(chosen, resource, sa.and_(resource.c.type == query.type, resource.c.sequence == chosen.c.sequence))
        .order_by(*[each.desc() if query.descending else each.asc() for each in order])
    )


def _in_order_of_creation(query: Query, found: sa.Select[Any]) -> Any:
    """The newest first, straight from the index where one value leads; else sorted, never by walking through the whole type in order."""
    number = found.selected_columns.sequence
    if query.after is not None:
        found = found.where(number < query.after[1])
    order = number if _in_order(query) or _lead(query) is not None else _unordered(number)
    return found.order_by(order.desc()).limit(query.limit + 1).subquery()


def _sorted(query: Query, found: Any) -> Any:
    if query.sort == "_lastUpdated":
        resource = fhir_resource.alias()
        keyed = sa.select(found.c.sequence, resource.c.updated.label("key")).join_from(
            found, resource, sa.and_(resource.c.type == query.type, resource.c.sequence == found.c.sequence)
        )
    else:
        row = fhir_index.alias()
        date = (
            sa.select(sa.func.min(row.c.low))
            .where(row.c.type == query.type, row.c.sequence == found.c.sequence, row.c.parameter == query.sort)
            .scalar_subquery()
        )
        keyed = sa.select(found.c.sequence, sa.func.coalesce(date, _NO_DATE).label("key"))
    keys = keyed.subquery()
    chosen = sa.select(keys.c.sequence, keys.c.key)
    both = sa.tuple_(keys.c.key, keys.c.sequence)
    if query.after is not None:
        after = sa.tuple_(sa.literal(query.after[0]), sa.literal(query.after[1]))
        chosen = chosen.where(both < after if query.descending else both > after)
    order = [each.desc() if query.descending else each.asc() for each in (keys.c.key, keys.c.sequence)]
    return chosen.order_by(*order).limit(query.limit + 1).subquery()


# --- one criterion


def _lead(query: Query) -> Criterion | None:
    """The criterion that finds the fewest; None when the resources themselves lead."""
    if any(each.kind == "id" for each in query.criteria):
        return None
    found = [each for each in query.criteria if each.kind != "updated" and not each.negated and each.missing is None]
    return min(found, key=_cost, default=None)


def _in_order(query: Query) -> bool:
    """Whether an index gives what is found in order of creation: one value of one parameter, or everything of a type."""
    lead = _lead(query)
    if lead is None:
        return all(each.kind not in ("id", "updated") for each in query.criteria)
    equal = lead.kind in ("reference", "uri") or (
        lead.kind == "token" and all(each.value for each in lead.alternatives)
    )
    return equal and len(lead.alternatives) == 1 and not lead.targets


def _cost(criterion: Criterion) -> int:
    """How many resources a criterion may find, roughly; the database's own statistics are not asked: they may not be there."""
    name = criterion.parameter
    if name == "identifier" or name.endswith(".identifier") or criterion.kind == "uri":
        return 0
    if criterion.kind == "reference":
        return 1
    if criterion.kind == "string":
        return 2 if all(each.prefix != "contains" for each in criterion.alternatives) else 6
    if criterion.kind == "date":
        return 7
    return 5 if name == "status" else 3


def _branches(criterion: Criterion, resource_type: str) -> list[tuple[Any, Condition]]:
    """(index rows, what must hold of one): the resource's own, and for a chain those that point at what was found."""
    own = fhir_index.alias()
    found = [(own, _held(own, criterion, resource_type))]
    if criterion.targets:
        pointing = fhir_index.alias()
        reference = criterion.parameter.partition(".")[0]
        held = sa.and_(
            pointing.c.type == resource_type,
            pointing.c.parameter == reference,
            pointing.c.value.in_(_pointed_at(criterion)),
        )
        found.append((pointing, held))
    return found


def _held(row: Any, criterion: Criterion, resource_type: str) -> Condition:
    if criterion.kind in ("reference", "uri"):
        held: Condition = row.c.value.in_([item.value for item in criterion.alternatives])
    else:
        one = _KINDS[criterion.kind]
        held = sa.or_(sa.false(), *[one(row, item) for item in criterion.alternatives])
    return sa.and_(row.c.type == resource_type, row.c.parameter == criterion.parameter, held)


def _pointed_at(criterion: Criterion) -> Any:
    """`Type/id` of the targets of which the chained parameter holds; a role through its person."""
    name = criterion.parameter.partition(".")[2]
    inner = criterion._replace(parameter=name, targets=())
    found = [_names(kind, _row_of(kind, inner)) for kind in criterion.targets if name in PARAMETERS[kind]]
    if "PractitionerRole" in criterion.targets and name in PARAMETERS["Practitioner"]:
        role = fhir_index.alias()
        people = _names("Practitioner", _row_of("Practitioner", inner))
        held = sa.and_(role.c.type == "PractitionerRole", role.c.parameter == "practitioner", role.c.value.in_(people))
        found.append(_names("PractitionerRole", (role, held)))
    return found[0] if len(found) == 1 else sa.union_all(*found)


def _row_of(kind: str, criterion: Criterion) -> tuple[Any, Condition]:
    row = fhir_index.alias()
    return row, _held(row, criterion, kind)


def _names(kind: str, found: tuple[Any, Condition]) -> sa.Select[Any]:
    row, held = found
    target = fhir_resource.alias()
    same = sa.and_(target.c.type == kind, target.c.sequence == row.c.sequence)
    return sa.select(sa.literal(f"{kind}/") + target.c.id).join_from(row, target, same).where(held)


def _filter(criterion: Criterion, resource_type: str, number: Any) -> Condition:
    """Whether it holds of the resource of this number."""
    if criterion.kind in ("id", "updated"):
        resource = fhir_resource.alias()
        return sa.exists().where(
            resource.c.type == resource_type, resource.c.sequence == number, _own(criterion, resource)
        )
    if criterion.missing is not None:
        row = fhir_index.alias()
        there = sa.exists().where(
            row.c.type == resource_type, row.c.sequence == number, row.c.parameter == criterion.parameter
        )
        return ~there if criterion.missing else there
    held = sa.or_(
        *[
            sa.exists().where(row.c.sequence == number, condition)
            for row, condition in _branches(criterion, resource_type)
        ]
    )
    return ~held if criterion.negated else held


def _resource_condition(criterion: Criterion, resource_type: str) -> Condition:
    if criterion.kind in ("id", "updated"):
        return _own(criterion, fhir_resource)
    return _filter(criterion, resource_type, fhir_resource.c.sequence)


def _own(criterion: Criterion, resource: Any) -> Condition:
    if criterion.kind == "id":
        return sa.and_(resource.c.id.in_([item.value for item in criterion.alternatives]))
    updated = resource.c.updated
    return sa.or_(sa.false(), *[_within(item, updated, updated) for item in criterion.alternatives])


# --- one value


def _token(row: Any, item: Alternative) -> Condition:
    code = row.c.value == item.value if item.value else sa.true()
    return code if item.system is None else sa.and_(code, row.c.system == item.system)


def _string(row: Any, item: Alternative) -> Condition:
    if item.prefix == "exact":
        return sa.and_(row.c.value == item.value, row.c.system == item.system)
    if item.prefix == "contains":
        return sa.and_(row.c.value.contains(item.value, autoescape=True))
    return sa.and_(row.c.value >= item.value, row.c.value < item.value + _LAST)


def _date(row: Any, item: Alternative) -> Condition:
    return _within(item, row.c.low, row.c.high)


def _within(item: Alternative, low: Any, high: Any) -> Condition:
    return _PREFIXES[item.prefix or "eq"](item, low, high)


_KINDS: Mapping[str, Callable[[Any, Alternative], Condition]] = {
    "token": _token,
    "string": _string,
    "date": _date,
}
_PREFIXES: Mapping[str, Callable[[Alternative, Any, Any], Condition]] = {
    "eq": lambda item, low, high: sa.and_(low >= item.low, low <= item.high, high <= item.high),
    "ne": lambda item, low, high: sa.not_(sa.and_(low >= item.low, high <= item.high)),
    "gt": lambda item, low, high: high > item.high,
    "lt": lambda item, low, high: low < item.low,
    "ge": lambda item, low, high: high >= item.low,
    "le": lambda item, low, high: low <= item.high,
    "sa": lambda item, low, high: low > item.high,
    "eb": lambda item, low, high: high < item.low,
}
