"""From a settings file and the environment to `Settings`: strict, every mistake at once, each with its line and the nearest right word."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from connector.settings.models import DestinationSettings, Identity, Model, ReceiverSettings, Settings
from connector.settings.references import literal_secrets
from connector.settings.shipped import shipped
from connector.settings.strict import Located, StrictYamlError, strict_yaml

__all__ = ["SettingsError", "SettingsErrors", "json_schema", "load_settings", "settings_from", "variable"]

#: Models of the kinds of endpoints by kind word; None: the kinds are not checked here.
Kinds = Mapping[str, type[BaseModel]]

PREFIX = "CONNECTOR_"
#: Variables that are not settings: where the file is, the language of the command line, what the container's entry point reads.
_APART = frozenset({"SETTINGS", "LANG", "MLLP_PORT"})
_LITERAL = "a secret must not stand in the settings: write env:NAME or file:PATH and keep it there"


class SettingsError(Exception):
    """One mistake: `place` is `file:line` or the variable's name."""

    def __init__(self, place: str, text: str) -> None:
        super().__init__(f"{place}: {text}")
        self.place = place
        self.text = text


class SettingsErrors(Exception):
    """Every mistake of the settings, found in one go."""

    def __init__(self, errors: Iterable[SettingsError]) -> None:
        self.errors = tuple(errors)
        super().__init__("\n".join(str(error) for error in self.errors))


def variable(name: str, default: str = "", environ: Mapping[str, str] | None = None) -> str:
    """A variable of the environment that is not a setting (`CONNECTOR_SETTINGS`, `LANG`…): the commands ask here."""
    return (os.environ if environ is None else environ).get(name, default)  # noqa: TID251 - the one reader


def load_settings(
    path: Path,
    *,
    receivers: Kinds | None = None,
    destinations: Kinds | None = None,
    environ: Mapping[str, str] | None = None,
) -> Settings:
    """Read a settings file with `CONNECTOR_*` over it; relative paths are relative to the file. Raises SettingsErrors."""
    try:
        located = strict_yaml(path.read_text(encoding="utf-8"))
    except StrictYamlError as error:
        raise SettingsErrors([SettingsError(f"{path}:{error.line}", error.text)]) from error
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsErrors([SettingsError(str(path), f"cannot be read ({type(error).__name__})")]) from error
    if not isinstance(located.data, dict):
        raise SettingsErrors([SettingsError(f"{path}:1", "settings are names with values (site: …)")])
    return _settings(located, str(path), path.parent, receivers, destinations, environ)


def settings_from(
    data: Mapping[str, Any],
    base: Path,
    *,
    firm: Mapping[str, Any] | None = None,
    receivers: Kinds | None = None,
    destinations: Kinds | None = None,
    environ: Mapping[str, str] | None = None,
) -> Settings:
    """Settings from data at hand: `data` are defaults that the environment overrides, `firm` (flags of a command) prevails over both.

    Raises SettingsErrors.
    """
    return _settings(Located(dict(data), {}), "flags", base, receivers, destinations, environ, firm or {})


def _settings(
    located: Located,
    source: str,
    base: Path,
    receivers: Kinds | None,
    destinations: Kinds | None,
    environ: Mapping[str, str] | None,
    firm: Mapping[str, Any] | None = None,
) -> Settings:
    report = _Report(located, source)
    for place in literal_secrets(located.data):
        report.add(place, _LITERAL)
    data = dict(located.data)
    _lay_environment(data, os.environ if environ is None else environ, report)  # noqa: TID251 - the one reader
    for name, value in (firm or {}).items():
        old = data.get(name)
        data[name] = {**old, **value} if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    settings: Settings | None = None
    try:
        settings = Settings.model_validate(_rooted(data, base, receivers or {}, destinations or {}))
    except ValidationError as error:
        report.of(error, Settings)
    for place, text in _crossings(data):
        report.add(place, text)
    report.kinds(data.get("receivers"), ("receivers",), receivers, ReceiverSettings)
    report.kinds(data.get("destinations"), ("destinations",), destinations, DestinationSettings)
    if report.errors or settings is None:
        raise SettingsErrors(report.errors)
    return settings


def _crossings(data: Mapping[str, Any]) -> Iterable[tuple[tuple[str | int, ...], str]]:
    """What two places of the settings must agree on: routes lead to destinations, receivers have names of their own."""
    destinations = data.get("destinations")
    known = list(destinations) if isinstance(destinations, Mapping) else []
    for number, route in enumerate(_listed(data.get("routes"))):
        leads = route.get("to") if isinstance(route, Mapping) else None
        for name in [leads] if isinstance(leads, str) else _listed(leads):
            if name not in known:
                yield ("routes", number, "to"), f"{name!r} is not a destination{_closest(str(name), known)}"
    names: set[str] = set()
    for number, receiver in enumerate(_listed(data.get("receivers"))):
        called = (receiver.get("name") or receiver.get("kind")) if isinstance(receiver, Mapping) else None
        if called in names:
            yield ("receivers", number), f"two receivers are called {called!r}: give each its own name"
        names.add(str(called))


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else []


def _rooted(data: dict[str, Any], base: Path, receivers: Kinds, destinations: Kinds) -> dict[str, Any]:
    """Paths made absolute: those of the site, and those of the endpoints that their kinds declare as paths."""
    rooted = dict(data)
    if isinstance(entries := rooted.get("receivers"), list | tuple):
        rooted["receivers"] = [_rooted_endpoint(entry, base, receivers) for entry in entries]
    if isinstance(identity := rooted.get("identity"), Mapping):
        rooted["identity"] = _rooted_fields(identity, base, Identity)
    if isinstance(named := rooted.get("destinations"), Mapping):
        rooted["destinations"] = {name: _rooted_endpoint(entry, base, destinations) for name, entry in named.items()}
    for name in ("data", "mappings", "terminology", "contents"):
        if isinstance(rooted.get(name, "var" if name == "data" else None), str):
            rooted[name] = (base / str(rooted.get(name, "var"))).absolute()
    for name in ("mappings", "terminology"):
        beside = (base / name).absolute()
        # In a checkout the product's own folders are no overlay of themselves.
        if name not in rooted and beside.is_dir() and beside != shipped(name):
            rooted[name] = beside
    return rooted


def _rooted_endpoint(entry: Any, base: Path, models: Kinds) -> Any:
    model = models.get(str(entry.get("kind"))) if isinstance(entry, Mapping) else None
    return entry if model is None else _rooted_fields(entry, base, model)


def _rooted_fields(entry: Mapping[str, Any], base: Path, model: type[BaseModel]) -> dict[str, Any]:
    rooted = dict(entry)
    for name, field in model.model_fields.items():
        value = entry.get(name)
        if isinstance(value, str) and Path in _types(field.annotation):
            rooted[name] = str((base / value).absolute())
        for inner in _models(field.annotation):
            if isinstance(value, Mapping):
                rooted[name] = _rooted_fields(value, base, inner)
    return rooted


def _types(annotation: Any) -> list[Any]:
    return [annotation, *(inner for argument in getattr(annotation, "__args__", ()) for inner in _types(argument))]


class _Report:
    """Collects the mistakes with their places."""

    def __init__(self, located: Located, source: str) -> None:
        self.located = located
        self.source = source
        self.variables: dict[tuple[str | int, ...], str] = {}
        self.errors: list[SettingsError] = []

    def add(self, path: tuple[str | int, ...], text: str) -> None:
        """One mistake at a path of the settings."""
        place = self.variables.get(path)
        if place is None:
            place = f"{self.source}:{self.located.line(path)}" if self.located.lines else self.source
        if all((error.place, error.text) != (place, text) for error in self.errors):
            self.errors.append(SettingsError(place, text))

    def of(self, error: ValidationError, model: type[BaseModel], prefix: tuple[str | int, ...] = ()) -> None:
        """Every mistake of a model, in plain words."""
        for detail in error.errors(include_url=False, include_input=False):
            path = prefix + tuple(detail["loc"])
            self.add(path, _words(detail, path, model))

    def kinds(self, entries: Any, prefix: tuple[str, ...], models: Kinds | None, common: type[BaseModel]) -> None:
        """Check the fields that belong to the kind of each endpoint."""
        if models is None or not isinstance(entries, list | tuple | dict):
            return
        numbered = entries.items() if isinstance(entries, dict) else enumerate(entries)
        for key, entry in numbered:
            if isinstance(entry, Mapping) and isinstance(entry.get("kind"), str):
                self._kind(entry, (*prefix, key), models, common)

    def _kind(
        self, entry: Mapping[str, Any], path: tuple[str | int, ...], models: Kinds, common: type[BaseModel]
    ) -> None:
        kind = entry["kind"]
        if kind not in models:
            self.add((*path, "kind"), f"unknown kind {kind!r}{_closest(kind, models)}")
            return
        own = {name: value for name, value in entry.items() if name not in common.model_fields and value is not None}
        try:
            models[kind].model_validate(own)
        except ValidationError as error:
            self.of(error, models[kind], path)


def _words(detail: Any, path: tuple[str | int, ...], model: type[BaseModel]) -> str:
    """A sentence that names the setting; never the value given, which may be a secret in the wrong place."""
    name = ".".join(str(part) for part in path)
    if detail["type"] == "extra_forbidden":
        return f"unknown setting {name!r}{_closest(str(path[-1]), _names(model, path))}"
    if detail["type"] == "missing":
        return f"{name!r} is required{_why(model, path)}"
    text = detail["msg"].removeprefix("Value error, ")
    return f"{name}: {text}" if name else str(text)


def _names(model: type[BaseModel], path: tuple[str | int, ...]) -> list[str]:
    found: type[BaseModel] = model
    for part in path[:-1]:
        field = found.model_fields.get(str(part))
        for inner in _models(field.annotation) if field else ():
            found = inner
    return list(found.model_fields)


def _models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type):
        return [annotation] if issubclass(annotation, BaseModel) else []
    return [model for argument in getattr(annotation, "__args__", ()) for model in _models(argument)]


def _why(model: type[BaseModel], path: tuple[str | int, ...]) -> str:
    field = model.model_fields.get(str(path[-1]))
    return f": {field.description}" if field and field.description else ""


def _closest(word: str, known: Iterable[str]) -> str:
    names = sorted(known)
    near = get_close_matches(word, names, n=1, cutoff=0.6)
    return f" (did you mean {near[0]!r}?)" if near else f" (known: {', '.join(names) or 'none'})"


def _lay_environment(data: dict[str, Any], environ: Mapping[str, str], report: _Report) -> None:
    """`CONNECTOR_HTTP_PORT` sets `http.port`; `CONNECTOR_DATABASE_FILE` sets `database` to what the file holds."""
    referred = {value.removeprefix("env:") for value in _strings(data) if value.startswith("env:")}
    for name in sorted(environ):
        word = name.removeprefix(PREFIX)
        if word == name or word in _APART or word.startswith("TEST_") or name in referred:
            continue
        path = _field_path(word.lower())
        from_file = path is None and word.endswith("_FILE")
        if from_file:
            path = _field_path(word.lower().removesuffix("_file"))
        if path is None:
            known = (PREFIX + field.upper() for field in Settings.model_fields)
            report.errors.append(SettingsError(name, f"no such setting{_closest(name, known)}"))
            continue
        report.variables[tuple(path)] = name
        _lay(data, path, environ[name], from_file, report)


def _lay(data: dict[str, Any], path: list[str], text: str, from_file: bool, report: _Report) -> None:
    if from_file and path[-1].endswith("password"):
        text = f"file:{text}"
    elif from_file:
        try:
            text = Path(text).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            report.add(tuple(path), f"its file cannot be read ({type(error).__name__})")
            return
    *above, last = path
    for part in above:
        inner = data.get(part)
        data[part] = dict(inner) if isinstance(inner, Mapping) else {}
        data = data[part]
    data[last] = text


def _field_path(word: str, model: type[BaseModel] = Settings) -> list[str] | None:
    if word in model.model_fields:
        return [word]
    for name, field in model.model_fields.items():
        annotation = field.annotation
        if word.startswith(name + "_") and isinstance(annotation, type) and issubclass(annotation, Model):
            inner = _field_path(word[len(name) + 1 :].lstrip("_"), annotation)
            if inner:
                return [name, *inner]
    return None


def _strings(value: Any) -> Iterable[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _strings(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _strings(item)


def json_schema(receivers: Kinds | None = None, destinations: Kinds | None = None) -> dict[str, Any]:
    """JSON Schema (2020-12) of a settings file, for editors; the kinds' own fields stand under `if kind then`."""
    schema = Settings.model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    definitions = schema.setdefault("$defs", {})
    for models, common in ((receivers, "ReceiverSettings"), (destinations, "DestinationSettings")):
        for kind, model in sorted((models or {}).items()):
            own = model.model_json_schema(ref_template="#/$defs/{model}")
            definitions.update(own.pop("$defs", {}))
            own.pop("additionalProperties", None)
            definitions[common].setdefault("allOf", []).append(
                {"if": {"properties": {"kind": {"const": kind}}, "required": ["kind"]}, "then": own}
            )
    return schema
