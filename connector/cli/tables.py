"""The tables that a command reads and writes: those of the site, with every mistake told."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from connector.cli.site import settings_path
from connector.cli.terminal import Terminal

if TYPE_CHECKING:
    from connector.app.terminologies import SiteTables
    from connector.settings import Settings

__all__ = ["folder_of", "loaded", "put", "refusing"]


@contextlib.contextmanager
def refusing(terminal: Terminal) -> Iterator[None]:
    """A mistake in a table, a mapping or an official file ends the command with its place."""
    from connector.mapping.language import MappingErrors
    from connector.terminology import TerminologyError

    try:
        yield
    except (TerminologyError, MappingErrors) as error:
        terminal.refuse(str(error).splitlines())


def loaded(terminal: Terminal, site: Settings) -> SiteTables:
    """The site's tables; refused when one is wrong."""
    from connector.app.terminologies import SiteTables

    with refusing(terminal):
        return SiteTables(site)


def folder_of(terminal: Terminal, site: Settings, given: Path | None) -> Path:
    """The folder of the site's own tables, which need not exist yet."""
    path = settings_path(given)
    if site.terminology is not None:
        return site.terminology
    if path is None:
        terminal.refuse(
            [terminal.text("tables are kept in a site's folder: make one with `connector init`, or say --settings")]
        )
    return path.parent.absolute() / "terminology"


def put(terminal: Terminal, tables: SiteTables, folder: Path, texts: dict[str, str]) -> list[str]:
    """Write tables of the site; refused, with nothing written, when the mappings do not compile with them."""
    try:
        with refusing(terminal):
            return [str(path) for path in tables.put(folder, texts)]
    except ValueError as error:
        terminal.refuse([str(error)])
    except OSError as error:
        terminal.refuse(
            [terminal.text("{folder} cannot be written ({kind})", folder=folder, kind=type(error).__name__)]
        )
