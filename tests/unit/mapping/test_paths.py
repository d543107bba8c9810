"""The lexer that every Shape shares."""

from __future__ import annotations

import pytest

from connector.mapping.language import Predicate, Step
from connector.mapping.paths import (
    brackets,
    closest,
    parse_predicate,
    parse_step,
    parse_steps,
    split,
    unparse_predicate,
)

PREDICATES = [
    ("3.1=DESTDMP", Predicate("3.1", "=", "DESTDMP")),
    ("2:=CWE", Predicate("2", ":=", "CWE")),
    ("3=meta-dmp#DESTDMP", Predicate("3", "=", "DESTDMP", "meta-dmp")),
    ("3:=meta-dmp#DESTDMP", Predicate("3", ":=", "DESTDMP", "meta-dmp")),
    ("3.3!=MetaDMPMSS", Predicate("3.3", "!=", "MetaDMPMSS")),
    ("use=birth|official", Predicate("use", "in", "birth|official")),
    ("2=TX*", Predicate("2", "prefix", "TX")),
    ("@qualifier", Predicate("@qualifier", "exists")),
    ("!@qualifier", Predicate("@qualifier", "absent")),
    ("!5", Predicate("5", "absent")),
    ("=x", Predicate("", "=", "x")),
    ("@xsi:type=CE", Predicate("@xsi:type", "=", "CE")),
    ("@xsi:type:=CE", Predicate("@xsi:type", ":=", "CE")),
    ("url=https://hl7.fr/a?b=c#d", Predicate("url", "=", "https://hl7.fr/a?b=c#d")),
]


@pytest.mark.parametrize(("text", "expected"), PREDICATES)
def test_predicate_is_read_and_written_back(text: str, expected: Predicate) -> None:
    assert parse_predicate(text) == expected
    assert unparse_predicate(expected) == f"[{text}]"


STEPS = [
    ("PID", Step("PID")),
    ("identifiers[]", Step("identifiers", many=True)),
    ("documents[1]", Step("documents", first=True)),
    ("names[use=birth][]", Step("names", None, (Predicate("use", "=", "birth"),), many=True)),
    ("author[]->PractitionerRole", Step("author", "PractitionerRole", many=True)),
    ("author->PractitionerRole[]", Step("author", "PractitionerRole", many=True)),
    ("subject->Patient[a=b]", Step("subject", "Patient", (Predicate("a", "=", "b"),))),
    ("x[a=b->c]", Step("x", None, (Predicate("a", "=", "b->c"),))),
]


@pytest.mark.parametrize(("text", "expected"), STEPS)
def test_step_is_read(text: str, expected: Step) -> None:
    assert parse_step(text) == expected


def test_separator_inside_brackets_does_not_cut() -> None:
    assert split("a[url=http://x.y/z].b", ".") == ["a[url=http://x.y/z]", "b"]
    assert [s.name for s in parse_steps("patient/name[@use=L]/given", "/")] == ["patient", "name", "given"]


def test_brackets_gives_name_and_contents() -> None:
    assert brackets("OBX[2=ED][]") == ("OBX", ["2=ED", ""])


MISTAKES = [
    ("", "the path is empty"),
    ("a..b", "a name is missing"),
    ("a[b", "not closed"),
    ("a]b", "do not match"),
    ("a[b[c]]", "do not match"),
    ("a[b]c", "stands after a bracket"),
    ("a[2]", r"only \[1\] is an index"),
    ("a[x=]", "a value is missing"),
    ("a[x=a||b]", "missing beside"),
    ("a[!x=b]", r"write \[x!=b\]"),
    ("a[!]", "expected a path"),
    ("a[x!=t#C]", "plain value"),
    ("a[x=t#A|B]", "one code"),
    ("a[][1]", r"one \[\] or \[1\]"),
    ("a[].b[]", "at most one"),
    ("a[x=y]->T", "stand after"),
    ("a->", "type is missing"),
]


@pytest.mark.parametrize(("text", "expected"), MISTAKES)
def test_mistake_says_what_was_expected(text: str, expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        parse_steps(text, ".")


def test_near_word_is_offered() -> None:
    assert closest("brith_date", ["birth_date", "sex"]) == "; did you mean 'birth_date'?"
    assert closest("zzz", ["birth_date"]) == ""
