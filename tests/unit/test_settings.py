"""Settings: strict, every mistake at once, secrets by reference only."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import BaseModel, ConfigDict

from connector.settings import (
    SecretUnavailable,
    Settings,
    SettingsErrors,
    find_library,
    json_schema,
    load_settings,
    secret,
    settings_from,
)
from connector.settings.shipped import shipped

MINIMAL = "site: clinique\nenvironment: test\n"


class Listening(BaseModel):
    """A kind of receiver."""

    model_config = ConfigDict(extra="forbid")
    port: int
    folder: Path | None = None


class Dropping(BaseModel):
    """A kind of destination."""

    model_config = ConfigDict(extra="forbid")
    path: Path
    password: str | None = None


RECEIVERS = {"mllp": Listening}
DESTINATIONS = {"folder": Dropping}


def load(tmp_path: Path, text: str, **environ: str) -> Settings:
    file = tmp_path / "connector.yaml"
    file.write_text(text, encoding="utf-8")
    return load_settings(file, receivers=RECEIVERS, destinations=DESTINATIONS, environ=environ)


def mistakes(tmp_path: Path, text: str, **environ: str) -> list[tuple[str, str]]:
    with pytest.raises(SettingsErrors) as caught:
        load(tmp_path, text, **environ)
    return [(error.place.rpartition("/")[2], error.text) for error in caught.value.errors]


def test_two_lines_are_settings_and_data_stands_beside_the_file(tmp_path: Path) -> None:
    settings = load(tmp_path, MINIMAL)
    assert settings.environment == "test"
    assert settings.data == tmp_path / "var"
    assert settings.http.host == "127.0.0.1"
    assert settings.duplicates.window_days == 90


def test_the_environment_has_no_default(tmp_path: Path) -> None:
    [(place, text)] = mistakes(tmp_path, "site: clinique\n")
    assert place == "connector.yaml:1"
    assert "'environment' is required" in text


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("site: a\nsite: b\n", 2, "stands twice (first on line 1)"),
        ("a: &x [1]\nb: *x\n", 1, "an anchor"),
        ("a: !!python/object:os.system x\n", 1, "a tag"),
        ("a: [1, 2\n", 2, "YAML: "),
        ("- a\n", 1, "names with values"),
        ("a: !!int 5\n", 1, "a tag"),
        ("a: b\n---\nc: d\n", 3, "second one begins here"),
        ("a:\n", 1, "a value is missing"),
        ("? [a]\n: b\n", 1, "a key must be text"),
        ("a: \x00\n", 1, "YAML: "),
    ],
)
def test_yaml_that_is_not_plain_is_refused_with_its_line(tmp_path: Path, text: str, line: int, words: str) -> None:
    [(place, said)] = mistakes(tmp_path, text)
    assert place == f"connector.yaml:{line}"
    assert words in said


def test_an_alias_bomb_is_refused_before_it_expands(tmp_path: Path) -> None:
    bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"{name}: &{name} [{','.join([f'*{before}'] * 9)}]\n"
        for before, name in zip("abcdefgh", "bcdefghi", strict=True)
    )
    assert "an anchor" in mistakes(tmp_path, bomb)[0][1]


@pytest.mark.parametrize("word", ["NO", "012", "1e3", "2026-01-01", "12:30"])
def test_words_stay_words(tmp_path: Path, word: str) -> None:
    assert load(
        tmp_path, f"site: s\nenvironment: test\ndestinations: {{d: {{kind: folder, path: '{word}'}}}}\n"
    ).destinations
    text = f"site: s\nenvironment: test\ndestinations: {{d: {{kind: folder, path: {word}}}}}\n"
    assert str(load(tmp_path, text).destinations["d"].options["path"]).endswith(word)


def test_every_mistake_is_said_at_once_with_its_line_and_the_nearest_word(tmp_path: Path) -> None:
    found = mistakes(
        tmp_path,
        """\
site: clinique
environment: tset
zone: Europe/Pari
receivers:
  - {kind: mlpp, port: 2575}
  - {kind: mllp, prot: 2575}
http: {hots: x}
destinations:
  ris: {kind: folder, path: out, retry: {frist: 3}}
routes:
  - {when: {typ: "MDM^T02", directive: to_dpm}, to: riss}
""",
    )
    assert found == [
        ("connector.yaml:2", "environment: Input should be 'test' or 'production'"),
        ("connector.yaml:3", "zone: not a time zone of the IANA list (e.g. Europe/Paris, America/Martinique)"),
        ("connector.yaml:9", "unknown setting 'destinations.ris.retry.frist' (did you mean 'first'?)"),
        ("connector.yaml:11", found[3][1]),
        ("connector.yaml:11", "unknown setting 'routes.0.when.typ' (did you mean 'type'?)"),
        ("connector.yaml:7", "unknown setting 'http.hots' (did you mean 'host'?)"),
        ("connector.yaml:11", "'riss' is not a destination (did you mean 'ris'?)"),
        ("connector.yaml:5", "unknown kind 'mlpp' (did you mean 'mllp'?)"),
        ("connector.yaml:6", found[8][1]),
        ("connector.yaml:6", "unknown setting 'receivers.1.prot' (did you mean 'port'?)"),
    ]
    assert found[3][1].startswith("routes.0.when.directive: not a directive; there are hidden_from_professionals")
    assert found[8][1].startswith("'receivers.1.port' is required")


@pytest.mark.parametrize(
    "line",
    [
        "destinations: {d: {kind: folder, path: x, password: hunter2}}",
        "database: postgresql://connector:hunter2@db/connector",
        "destinations: {d: {kind: folder, path: 'https://u:hunter2@host/x'}}",
        "database_password: hunter2",
        "destinations: {d: {kind: folder, path: '-----BEGIN RSA PRIVATE KEY-----hunter2'}}",
    ],
)
def test_a_secret_in_the_file_is_refused_and_never_repeated(tmp_path: Path, line: str) -> None:
    found = mistakes(tmp_path, MINIMAL + line + "\n")
    assert found[0][0] == "connector.yaml:3"
    assert "env:NAME or file:PATH" in found[0][1]
    assert "hunter2" not in str(found)


def test_a_secret_is_found_where_its_reference_says(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("s3cret\n", encoding="utf-8")
    assert secret("file:token", tmp_path) == "s3cret"
    assert secret("env:TOKEN", environ={"TOKEN": "t"}) == "t"
    with pytest.raises(SecretUnavailable, match="TOKEN is not set"):
        secret("env:TOKEN", environ={})
    with pytest.raises(SecretUnavailable, match="FileNotFoundError"):
        secret("file:absent", tmp_path)


def test_variables_lie_over_the_file(tmp_path: Path) -> None:
    (tmp_path / "url").write_text("postgresql://u:p@db/c\n", encoding="utf-8")
    settings = load(
        tmp_path,
        MINIMAL + "http: {port: 1}\n",
        CONNECTOR_HTTP_PORT="8081",
        CONNECTOR_DUPLICATES__WINDOW_DAYS="30",
        CONNECTOR_DATABASE_FILE=str(tmp_path / "url"),
        CONNECTOR_DATABASE_PASSWORD_FILE="/run/secrets/p",
        CONNECTOR_LANG="fr",
        OTHER="x",
    )
    assert settings.http.port == 8081
    assert settings.duplicates.window_days == 30
    assert settings.database == "postgresql://u:p@db/c"
    assert settings.database_password == "file:/run/secrets/p"


def test_a_variable_that_is_no_setting_is_a_mistake_named_by_itself(tmp_path: Path) -> None:
    assert mistakes(tmp_path, MINIMAL, CONNECTOR_SITEE="x", CONNECTOR_HTTP_PORT="many") == [
        ("CONNECTOR_SITEE", "no such setting (did you mean 'CONNECTOR_SITE'?)"),
        ("CONNECTOR_HTTP_PORT", "http.port: Input should be a valid integer, unable to parse string as an integer"),
    ]


def test_a_variable_that_a_secret_refers_to_is_no_setting(tmp_path: Path) -> None:
    settings = load(tmp_path, MINIMAL + "database_password: env:CONNECTOR_PG\n", CONNECTOR_PG="x")
    assert settings.database_password == "env:CONNECTOR_PG"


def test_paths_of_endpoints_are_relative_to_the_file(tmp_path: Path) -> None:
    settings = load(
        tmp_path, MINIMAL + "destinations: {d: {kind: folder, path: out}}\nreceivers: [{kind: mllp, port: 1}]\n"
    )
    assert settings.destinations["d"].options["path"] == str(tmp_path / "out")


def test_open_to_the_network_needs_a_reason(tmp_path: Path) -> None:
    assert "say why in `insecure`" in mistakes(tmp_path, MINIMAL + "http: {host: 0.0.0.0}\n")[0][1]
    assert load(tmp_path, MINIMAL + "http: {host: 0.0.0.0, insecure: container network}\n").http.host == "0.0.0.0"


def test_two_receivers_do_not_share_a_name(tmp_path: Path) -> None:
    text = MINIMAL + "receivers: [{kind: mllp, port: 1}, {kind: mllp, port: 2}]\n"
    assert "two receivers are called 'mllp'" in mistakes(tmp_path, text)[0][1]


def test_settings_of_flags_say_flags(tmp_path: Path) -> None:
    with pytest.raises(SettingsErrors, match="flags: 'site' is required"):
        settings_from({"environment": "test"}, tmp_path, environ={})


def test_flags_prevail_over_the_environment_and_it_over_defaults(tmp_path: Path) -> None:
    environ = {"CONNECTOR_DATA": "/env", "CONNECTOR_HTTP_PORT": "81", "CONNECTOR_LANGUAGE": "en"}
    defaults = {"site": "s", "environment": "test", "language": "fr", "http": {"port": "1", "enabled": "false"}}
    firm = {"data": "flag", "http": {"port": "82"}}
    settings = settings_from(defaults, tmp_path, firm=firm, environ=environ)
    assert (settings.data, settings.http.port, settings.language) == (tmp_path / "flag", 82, "en")
    assert settings.http.enabled is False


def test_a_file_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    with pytest.raises(SettingsErrors, match="cannot be read"):
        load_settings(tmp_path / "absent.yaml", environ={})
    (tmp_path / "latin.yaml").write_bytes(b"site: \xe9\n")
    with pytest.raises(SettingsErrors, match="UnicodeDecodeError"):
        load_settings(tmp_path / "latin.yaml", environ={})


def test_every_setting_is_described_in_the_schema() -> None:
    schema = json_schema(RECEIVERS, DESTINATIONS)
    for model in (schema, *schema["$defs"].values()):
        for name, field in model["properties"].items():
            assert field.get("description") or model.get("title") in ("Listening", "Dropping"), (
                f"{model['title']}.{name}"
            )
    assert schema["$defs"]["ReceiverSettings"]["allOf"][0]["if"]["properties"]["kind"] == {"const": "mllp"}
    assert "environment" in schema["required"]


def test_the_sites_folder_is_laid_over_the_products(tmp_path: Path) -> None:
    (tmp_path / "mappings" / "hl7").mkdir(parents=True)
    (tmp_path / "mappings" / "hl7" / "PID.yaml").write_text("x", encoding="utf-8")
    (tmp_path / "terminology").mkdir()
    (tmp_path / "terminology" / "own.csv").write_text("y", encoding="utf-8")
    library = find_library(load(tmp_path, MINIMAL))
    assert library.mappings["mappings/sites/clinique/hl7/PID.yaml"] == "x"
    assert library.files["mappings/sites/clinique/hl7/PID.yaml"] == tmp_path / "mappings" / "hl7" / "PID.yaml"
    assert library.terminology["terminology/own.csv"] == "y"
    assert library.sites == ("clinique",)
    assert shipped("mappings").name == "mappings"
