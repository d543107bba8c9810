"""The site that a command works for: its settings file, or the product's defaults in a test environment."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from connector.cli.terminal import Terminal

if TYPE_CHECKING:
    from connector.settings import Settings

__all__ = ["FILE", "SettingsOption", "load_site", "settings_path"]

#: The settings file's name in a site's folder.
FILE = "connector.yaml"

SettingsOption = Annotated[
    Path | None,
    typer.Option(
        "--settings",
        envvar="CONNECTOR_SETTINGS",
        help="Settings file or the folder that holds connector.yaml; by default the one here, else a test environment.",
    ),
]


def settings_path(given: Path | None) -> Path | None:
    """The file meant: given, in a given folder, or `connector.yaml` here; None when there is none. A usage error when given and absent."""
    if given is None:
        here = Path(FILE)
        return here if here.is_file() else None
    found = given / FILE if given.is_dir() else given
    if not found.is_file():
        raise typer.BadParameter(f"{found} is not there", param_hint="--settings")
    return found


def load_site(
    terminal: Terminal, given: Path | None, *, endpoints: bool = False, defaults: Mapping[str, Any] | None = None
) -> Settings:
    """Settings of the site. `endpoints` also checks the fields of each kind (that imports them). Refuses with every mistake."""
    from connector.settings import SettingsErrors, load_settings, settings_from

    models: dict[str, Any] = {}
    if endpoints:
        from connector.app import endpoint_models

        models = endpoint_models()
    path = settings_path(given)
    try:
        if path is None:
            base = {"site": "default", "environment": "test", **(defaults or {})}
            return settings_from(base, Path.cwd(), **models)
        return load_settings(path, **models)
    except SettingsErrors as errors:
        terminal.refuse(
            [str(error) for error in errors.errors],
            [{"place": error.place, "text": error.text} for error in errors.errors],
        )
