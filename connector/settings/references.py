"""Secrets by reference: a settings file says where a secret is kept, never what it is."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator

__all__ = ["SecretReference", "SecretUnavailable", "literal_secrets", "secret"]

_REFERENCE = re.compile(r"(env:[A-Za-z_][A-Za-z0-9_]*|file:.+)\Z", re.DOTALL)
#: Names of settings whose value is a secret whatever endpoint they belong to.
_SECRET_NAME = re.compile(r"(^|_)(password|passphrase|secret|token|api_?key|private_?key|credentials?)$", re.IGNORECASE)
#: `scheme://user:password@host`, and a key or certificate pasted whole.
_URL_PASSWORD = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/@\s:]*:[^/@\s]+@")
_PEM = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----")


class SecretUnavailable(Exception):
    """A reference that leads nowhere: the variable is not set or the file cannot be read. Never holds the secret."""


def _reference(text: str) -> str:
    if not _REFERENCE.match(text):
        raise ValueError("a secret is given by reference, env:NAME or file:PATH, never as it is")
    return text


SecretReference = Annotated[str, AfterValidator(_reference)]


def secret(reference: str, base: Path | None = None, environ: Mapping[str, str] | None = None) -> str:
    """What `env:NAME` or `file:PATH` (relative to `base`) holds, without the line end of a file. Raises SecretUnavailable."""
    kind, _, where = _reference(reference).partition(":")
    if kind == "env":
        value = (os.environ if environ is None else environ).get(where)  # noqa: TID251 - settings read the environment
        if not value:
            raise SecretUnavailable(f"the environment variable {where} is not set")
        return value
    path = (base or Path()) / where
    try:
        return path.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise SecretUnavailable(f"the secret's file {path} cannot be read ({type(error).__name__})") from error


def literal_secrets(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The places of a settings tree that hold a secret as it is, whichever endpoint the setting belongs to."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from literal_secrets(item, (*path, str(key)))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from literal_secrets(item, (*path, index))
    elif isinstance(value, str) and _is_literal(value, path):
        yield path


def _is_literal(value: str, path: tuple[str | int, ...]) -> bool:
    if _URL_PASSWORD.match(value) or _PEM.search(value):
        return True
    name = next((part for part in reversed(path) if isinstance(part, str)), "")
    return bool(_SECRET_NAME.search(name)) and not _REFERENCE.match(value)
