"""Runs a connector until it is told to stop: its loop, its logs, what may go wrong at its start, told in one sentence."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from connector.cli.signals import heard
from connector.cli.terminal import Terminal, visible

if TYPE_CHECKING:
    from connector.app import Application
    from connector.settings import Settings

__all__ = ["Inside", "run_connector"]

#: What is done while the connector runs; it ends when this returns.
Inside = Callable[["Application"], Awaitable[None]]

log = logging.getLogger(__name__)


class _OneLine(logging.Formatter):
    """A record is one line without control characters, whatever a peer put into a name (K08)."""

    def format(self, record: logging.LogRecord) -> str:
        return visible(super().format(record).replace("\r", "␍").replace("\n", "␊"))


def set_up_logs(*, debug: bool, quiet: bool) -> None:
    """Logs go to the error stream. They never hold a value of a message: endpoints, states, counts, places."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_OneLine("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    level = logging.DEBUG if debug else logging.WARNING if quiet else logging.INFO
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for chatty in ("httpx", "httpcore", "asyncio", "uvicorn"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


def run_connector(terminal: Terminal, settings: Settings, inside: Inside, *, quiet: bool = False) -> None:
    """Run until `inside` returns. A start that fails is refused with its reason (exit code 1)."""
    set_up_logs(debug=terminal.debug, quiet=quiet)
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        try:
            runner.run(_running(settings, inside))
        except _expected() as error:
            terminal.refuse([_sentence(terminal, error)])


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:  # not made for this platform: the standard loop does the same, slower
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory


async def _running(settings: Settings, inside: Inside) -> None:
    from connector.app import Application

    async with Application(settings) as application, contextlib.AsyncExitStack() as stack:
        if settings.http.enabled:
            from connector.web.server import serving

            application.http_address = await stack.enter_async_context(serving(application))
            told = settings.data / "http.address"
            told.write_text(application.http_address + "\n", encoding="ascii")
            stack.callback(told.unlink, missing_ok=True)
        _reload_on_hangup(application, stack)
        _settle_memory()
        await inside(application)


def _settle_memory() -> None:
    """What was compiled stays for good: the collector need not look at it again.

    Its thresholds stay as they are: what a message leaves behind may hold a document's bytes, so it must go soon.
    """
    gc.collect()
    gc.freeze()


def _reload_on_hangup(application: Application, stack: contextlib.AsyncExitStack) -> None:
    """SIGHUP compiles mappings and tables anew, aside; wrong ones leave the old ones in force."""
    loop = asyncio.get_running_loop()
    tasks: set[asyncio.Task[None]] = set()

    def ask() -> None:
        task = loop.create_task(_reload(application))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    stack.enter_context(heard("SIGHUP", ask))


async def _reload(application: Application) -> None:
    from connector.mapping.language import MappingErrors
    from connector.terminology import TerminologyError

    try:
        log.info("mappings %s are in force", await application.reload())
    except (MappingErrors, TerminologyError) as errors:
        log.error("the new mappings are wrong, the old ones stay in force; `connector check` says: %s", errors)


def _expected() -> tuple[type[Exception], ...]:
    """What the start of a connector may meet and a person can mend."""
    from connector.endpoints.tls import TlsProblem
    from connector.mapping.language import MappingErrors
    from connector.ports import JournalUnavailable
    from connector.settings import SecretUnavailable
    from connector.store.database import JournalDamaged, JournalLocked
    from connector.terminology import TerminologyError

    return (
        OSError, JournalDamaged, JournalLocked, JournalUnavailable, MappingErrors, SecretUnavailable, TerminologyError, TlsProblem,
    )  # fmt: skip


def _sentence(terminal: Terminal, error: Exception) -> str:
    name = type(error).__name__
    sentences: dict[str, str] = {
        "JournalLocked": "another connector has this journal: {text}",
        "JournalDamaged": "the journal is damaged and must be restored: {text}",
        "JournalUnavailable": "the journal cannot be opened: {text}",
    }
    text: Any = error.strerror or name if isinstance(error, OSError) else error
    return terminal.text(sentences.get(name, "cannot start: {text}"), text=text)
