"""`connector settings`: what the settings are: the JSON Schema for editors, the reference page, or the values in force."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from connector.cli.site import SettingsOption, load_site
from connector.cli.terminal import Terminal

if TYPE_CHECKING:
    from pydantic import BaseModel
    from pydantic.fields import FieldInfo

__all__ = ["page", "register"]

_INTRODUCTION = """\
# Settings

Made from the models by `connector settings --reference`; a test compares. A settings file is strict YAML: every value is text
until its setting says what it must be, no anchors, no duplicate keys, unknown names are refused with the nearest right word.
Relative paths are relative to the file. `CONNECTOR_<NAME>` in the environment prevails over the file
(`CONNECTOR_HTTP_PORT=8081` is `http.port`); `CONNECTOR_<NAME>_FILE` names a file that holds the value. A secret is never written
in the file: `env:NAME` or `file:PATH` says where it is kept.
"""


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("settings", help="Show the settings in force, their JSON Schema or their reference page.")(show)


def show(
    ctx: typer.Context,
    settings: SettingsOption = None,
    schema: Annotated[bool, typer.Option("--schema", help="The JSON Schema, for editors.")] = False,
    reference: Annotated[bool, typer.Option("--reference", help="The reference page (Markdown).")] = False,
) -> None:
    """Secrets are shown as the references that they are."""
    from connector.app import endpoint_models
    from connector.settings import json_schema

    terminal: Terminal = ctx.obj
    if schema:
        Terminal(as_json=True).result(json_schema(**endpoint_models()), lambda: None)
    elif reference:
        terminal.write(page(**endpoint_models()).rstrip("\n"))
    else:
        found = load_site(terminal, settings, endpoints=True).model_dump(mode="json")
        terminal.result(found, lambda: terminal.write("\n".join(_lines(found))))


def page(receivers: Mapping[str, type[BaseModel]], destinations: Mapping[str, type[BaseModel]]) -> str:
    """The reference page of every setting, those of the kinds of endpoints included."""
    from connector.settings import DestinationSettings, ReceiverSettings, Settings

    parts = [_INTRODUCTION, _table(Settings, "The site")]
    for model, title in ((ReceiverSettings, "A receiver"), (DestinationSettings, "A destination")):
        parts.append(_table(model, title))
    for kinds, word in ((receivers, "Receiver"), (destinations, "Destination")):
        parts += [_table(model, f"{word} `{kind}`") for kind, model in sorted(kinds.items())]
    return "\n".join(parts)


def _table(model: type[BaseModel], title: str, level: int = 2) -> str:
    rows = [
        f"{'#' * level} {title}",
        "",
        (model.__doc__ or "").split("\n")[0],
        "",
        "| setting | value | default | |",
        "|---|---|---|---|",
    ]
    inner: list[str] = []
    for name, field in model.model_fields.items():
        rows.append(
            f"| `{name}` | {_kind(field)} | {_default(field)} | {(field.description or '').replace('|', chr(92) + '|')} |"
        )
        inner += [_table(each, f"`{name}`", level + 1) for each in _models(field.annotation) if _own(each)]
    return "\n".join([*rows, "", *inner])


def _own(model: type[BaseModel]) -> bool:
    return model.__name__ not in ("ReceiverSettings", "DestinationSettings")


def _models(annotation: Any) -> list[type[BaseModel]]:
    from pydantic import BaseModel

    if isinstance(annotation, type):
        return [annotation] if issubclass(annotation, BaseModel) else []
    return [model for argument in getattr(annotation, "__args__", ()) for model in _models(argument)]


def _kind(field: FieldInfo) -> str:
    annotation = field.annotation
    if literal := _literals(annotation):
        return " \\| ".join(f"`{word}`" for word in literal)
    if _models(annotation):
        plural = "tuple" in str(annotation) or "list" in str(annotation) or "dict" in str(annotation)
        return "list" if plural and "dict" not in str(annotation) else "table"
    words = (
        ("bool", "yes or no"),
        ("int", "number"),
        ("float", "number"),
        ("Path", "path"),
        ("tuple", "text or list of texts"),
        ("list", "list"),
    )
    text = annotation.__name__ if isinstance(annotation, type) else str(annotation)
    return next((said for word, said in words if word in text), "text")


def _literals(annotation: Any) -> tuple[str, ...]:
    from typing import Literal, get_args, get_origin

    return tuple(map(str, get_args(annotation))) if get_origin(annotation) is Literal else ()


def _default(field: FieldInfo) -> str:
    from pydantic import BaseModel

    if field.is_required():
        return "**required**"
    value = field.get_default(call_default_factory=True)
    if value is None or value in ("", (), {}, []) or isinstance(value, BaseModel):
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple | list | frozenset | set):
        return ", ".join(f"`{item}`" for item in value)
    return f"`{value}`"


def _lines(value: Any, indent: str = "") -> list[str]:
    """Settings as indented text."""
    lines: list[str] = []
    items = value.items() if isinstance(value, dict) else (("-", item) for item in value)
    for name, item in items:
        label = f"{indent}{name}:" if isinstance(value, dict) else f"{indent}-"
        if isinstance(item, dict | list) and item:
            lines += [label, *_lines(item, indent + "  ")]
        elif item not in (None, "", [], {}):
            lines.append(f"{label} {item}")
    return lines
