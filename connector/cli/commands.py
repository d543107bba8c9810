"""The command line put together: options that every verb has, the verbs, exit codes."""

from __future__ import annotations

import os
import sys
import traceback
from typing import Any

import typer
from typer.main import get_command

from connector.cli.terminal import Refused, Terminal
from connector.cli.texts import translate

__all__ = ["build", "exit_code", "global_options", "run_command"]

DONE, REFUSED, USAGE, INTERNAL = 0, 1, 2, 3

_EPILOG = "Everywhere: --json (for scripts), --lang fr|en, --debug. Exit codes: 0 done, 1 refused with reasons, 2 usage, 3 internal."


def run_command(arguments: list[str]) -> int:
    """Run one command line; every failure becomes an exit code with a short message."""
    try:
        terminal, rest = global_options(arguments)
    except ValueError as error:
        sys.stderr.write(f"{error}\n")
        return USAGE
    command = get_command(build())
    _translate_help(command, terminal)
    try:
        command.main(args=rest, prog_name="connector", obj=terminal)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else DONE if end.code is None else REFUSED
    except KeyboardInterrupt:
        return 130  # as shells say it: ended by SIGINT
    except Exception as error:
        return exit_code(error, terminal)
    return DONE


def exit_code(error: Exception, terminal: Terminal) -> int:
    """Tell a failure and give its code. The class of an unexpected error is told, never its text, which may hold a value."""
    if isinstance(error, Refused):
        if terminal.as_json:
            terminal.result({"refused": list(error.reasons), "details": error.details}, lambda: None)
        else:
            for reason in error.reasons:
                sys.stderr.write(reason + "\n")
        return REFUSED
    if terminal.debug:
        traceback.print_exception(error)
    text = terminal.text("internal error ({kind}); --debug shows where", kind=type(error).__name__)
    if terminal.as_json:
        terminal.result({"internal": type(error).__name__}, lambda: None)
    sys.stderr.write(text + "\n")
    return INTERNAL


def global_options(arguments: list[str]) -> tuple[Terminal, list[str]]:
    """Take `--json`, `--lang` and `--debug` out of a command line, wherever they stand before `--`. ValueError for another language."""
    terminal = Terminal(language=_language())
    rest: list[str] = []
    pending = iter(arguments)
    for word in pending:
        if word == "--":
            return terminal, [*rest, word, *pending]
        if word == "--json":
            terminal.as_json = True
        elif word == "--debug":
            terminal.debug = True
        elif word == "--lang" or word.startswith("--lang="):
            language = word.partition("=")[2] or next(pending, "")
            if language not in ("fr", "en"):
                raise ValueError("--lang: fr, en")
            terminal.language = language
        else:
            rest.append(word)
    return terminal, rest


def _language() -> str:
    # The language of the person at the terminal, not a setting of the site.
    names = ("CONNECTOR_LANG", "LC_ALL", "LC_MESSAGES", "LANG")
    said = next((value for name in names if (value := os.environ.get(name))), "")  # noqa: TID251 - the language is asked before settings are read
    return "fr" if said.lower().startswith("fr") else "en"


def build() -> typer.Typer:
    """All verbs, each from its module; what a verb needs is imported when it runs."""
    from connector.cli import (
        check,
        convert,
        demo,
        doctor,
        explain,
        init,
        journal,
        listen,
        monsisra,
        patients,
        reference,
        send,
        serve,
        show,
        terminology,
        validate,
    )

    app = typer.Typer(
        name="connector",
        help="Carries MonSisra exchanges between HL7 v2, CDA and FHIR.",
        epilog=_EPILOG,
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    for module in (
        init,
        serve,
        demo,
        convert,
        explain,
        show,
        monsisra,
        check,
        validate,
        send,
        listen,
        journal,
        terminology,
        patients,
        doctor,
        reference,
    ):
        module.register(app)
    return app


def _translate_help(command: Any, terminal: Terminal) -> None:
    """Help texts stand in English in the verbs and are told in the terminal's language."""
    if terminal.language == "en":
        return
    for name in ("help", "short_help", "epilog"):
        if text := getattr(command, name, None):
            setattr(command, name, translate(text, terminal.language))
    for parameter in command.params:
        if text := getattr(parameter, "help", None):
            parameter.help = translate(text, terminal.language)
    for inner in getattr(command, "commands", {}).values():
        _translate_help(inner, terminal)
