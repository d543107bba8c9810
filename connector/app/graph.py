"""The running connector: journal, desk, endpoints, workers and document store, put together from settings."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from datetime import datetime
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as version_of
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import msgspec

from connector.app.compiled import Compiled, compile_site, site_context
from connector.app.endpoints import built, fhir_api
from connector.app.journal import open_journal
from connector.app.routing import desk_settings, shaped_as, written_as

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from connector.app.patients import PatientSearch
    from connector.endpoints.exchange_in import ExchangeIn
    from connector.engine.supervisor import Destination, Supervisor
    from connector.exchange.model import Context
    from connector.issues import Outcome
    from connector.pipeline.judge import Desk
    from connector.ports import Claimed, Clock, DocumentStore, Receiver
    from connector.settings import Settings
    from connector.store.journal import SqlJournal
    from connector.store.search import Filters, Search
    from connector.terminology import Tables

__all__ = ["Application", "ReceiverStatus", "Status"]

log = logging.getLogger(__name__)

_DAY = 86_400.0


class ReceiverStatus(msgspec.Struct, frozen=True):
    """A receiver: where it listens and whether it does."""

    name: str
    kind: str
    where: str
    listening: bool


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """What runs and what waits. `messages`: those that need a verdict or a person, by state; `deliveries`: open, parked and rejected ones by destination and state; ages in seconds."""

    version: str
    environment: str
    site: str
    mappings: str
    up_seconds: float
    receivers: tuple[ReceiverStatus, ...]
    destinations: dict[str, str]
    messages: dict[str, int]
    deliveries: dict[str, dict[str, int]]
    oldest_waiting: dict[str, float]
    paused: tuple[str, ...] = ()


class Application:
    """A connector of a site: `async with Application(settings)` runs it. What fails to start is raised after what had started is stopped."""

    def __init__(self, settings: Settings, *, clock: Clock | None = None) -> None:
        from connector.engine.clock import SystemClock

        self.settings = settings
        self.clock: Clock = clock or SystemClock()
        self.http_address = ""
        self._compiled: Compiled | None = None
        self._built: _Built | None = None
        self._started = 0.0
        self._keeping: asyncio.Task[None] | None = None

    # --- life

    async def __aenter__(self) -> Self:
        self.settings.data.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._compiled = await asyncio.to_thread(compile_site, self.settings)
        self._built = _Built(self, self._compiled)
        await self._built.supervisor.start()
        self._started = self.clock.monotonic()
        if self.settings.keep_days:
            self._keeping = asyncio.create_task(self._forget_daily())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.gather(self._keeping, return_exceptions=True)
        if self._built is not None:
            await self._built.patients.close()
            await self._built.supervisor.stop()

    async def reload(self) -> str:
        """Compile the site's mappings and tables aside, then let them take the place of the old ones; gives their version.

        Raises TerminologyError or MappingErrors, and the old ones stay in force.
        """
        compiled = await asyncio.to_thread(compile_site, self.settings)
        self._running.desk.desk = self.desk_of(compiled)
        self._compiled = compiled
        return compiled.version

    def desk_of(self, compiled: Compiled) -> Desk:
        """The judge of a set of mappings."""
        from connector.pipeline.judge import Desk

        return Desk(compiled.translator, site_context(self.settings, compiled.tables), desk_settings(self.settings))

    def write(self, claimed: Claimed, format_name: str) -> Outcome[bytes]:
        """A delivery's bytes in a format, by the mappings in force; `raw` is the message as it came."""
        from connector.issues import Issue, IssueCode, Outcome, Severity
        from connector.mapping.language import Run

        if claimed.exchange is None:
            return Outcome(None, (Issue.of(Severity.ERROR, IssueCode.DOCUMENT_MISSING),))
        from connector.pipeline.messages import messages_of

        context = self.context()
        asked = written_as(self.settings).get(claimed.destination, {})
        options = {**context.options, **asked, **shaped_as(self.settings, claimed.destination)}
        if format_name == "hl7" and not claimed.part and len(messages_of(claimed.exchange, options)) > 1:
            # Sent here by hand, not by a route: which of the messages is meant, nobody said.
            return Outcome(None, (Issue.of(Severity.ERROR, IssueCode.TOO_MANY, limit=1, what="message"),))
        run = Run(msgspec.structs.replace(context, options=options, message=claimed.message_id))
        translator = self._running.desk.desk.translator
        made = translator.write(claimed.exchange, format_name, run.context, run=run, part=claimed.part or None)
        self._running.noted.note(claimed.message_id, run.untranslated)
        return made

    def tree(self, claimed: Claimed, format_name: str) -> Outcome[Any]:
        """What a delivery's bytes in a format are made from: large documents of a FHIR Bundle stay bytes, neither encoded nor copied."""
        from connector.issues import Issue, IssueCode, Outcome, Severity
        from connector.mapping.language import Run
        from connector.pipeline.formats import FORMATS

        if claimed.exchange is None:
            return Outcome(None, (Issue.of(Severity.ERROR, IssueCode.DOCUMENT_MISSING),))
        context = self.context()
        options = {**context.options, **shaped_as(self.settings, claimed.destination)}
        run = Run(msgspec.structs.replace(context, options=options, message=claimed.message_id))
        made = self._running.desk.desk.translator.write_tree(claimed.exchange, FORMATS[format_name], run)
        self._running.noted.note(claimed.message_id, run.untranslated)
        return Outcome(made, tuple(run.issues))

    def context(self) -> Context:
        """The site's Context at this moment."""
        return self._running.desk.desk.context_at(self.clock.now())

    async def _forget_daily(self) -> None:
        from connector.ports import JournalUnavailable
        from connector.store.retention import Keep

        while True:
            try:
                done = await self._running.retention.prune(Keep(messages_days=float(self.settings.keep_days)))
                log.info("forgotten: %d messages, %d contents", done.messages, done.contents)
            except JournalUnavailable:
                log.warning("the journal is away; what is old is forgotten tomorrow")
            await asyncio.sleep(_DAY)

    # --- what others use of it

    @property
    def _running(self) -> _Built:
        if self._built is None:
            raise RuntimeError("the application is not running: use `async with`")
        return self._built

    @property
    def journal(self) -> SqlJournal:
        """The journal of the running connector."""
        return self._running.journal

    @property
    def tables(self) -> Tables:
        """The tables in force."""
        if self._compiled is None:
            raise RuntimeError("the application is not running: use `async with`")
        return self._compiled.tables

    @property
    def supervisor(self) -> Supervisor:
        """Reception, workers and receivers of the running connector."""
        return self._running.supervisor

    @property
    def documents(self) -> DocumentStore:
        """The FHIR resources that were delivered to the connector's own store."""
        return self._running.documents

    @property
    def patients(self) -> PatientSearch:
        """The patient index with the site's PDQm server."""
        return self._running.patients

    @property
    def exchange_in(self) -> ExchangeIn:
        """The receiver of the exchange profile over REST, whose routes the web mounts."""
        return self._running.exchange_in

    def receiver(self, name: str) -> Receiver:
        """A receiver by its name."""
        return self._running.receivers[name]

    # --- what people ask

    def not_ready(self) -> list[str]:
        """Why it does not accept messages; empty when it does."""
        if self._built is None:
            return ["not started"]
        reasons = [] if self.journal.still_owner() else ["journal unavailable"]
        return reasons + [f"{found.name} does not listen" for found in self.receivers() if not found.listening]

    def receivers(self) -> tuple[ReceiverStatus, ...]:
        """Each receiver with its address as it really is (a port 0 was replaced by a free one)."""
        return tuple(
            ReceiverStatus(spec.called, spec.kind, *_where(self._running.receivers[spec.called], spec.options))
            for spec in self.settings.receivers
        )

    async def status(self) -> Status:
        """Everything that the status page shows."""
        counts = await asyncio.to_thread(self._search.counts)
        waiting = await asyncio.to_thread(self._search.waiting)
        now = datetime.fromisoformat(self.clock.now())
        ages = {
            each.destination: (now - datetime.fromisoformat(each.oldest)).total_seconds()
            for each in waiting
            if each.oldest
        }
        workers = self.supervisor.workers
        return Status(
            version=product_version(),
            environment=self.settings.environment,
            site=self.settings.site,
            mappings=self._compiled.version if self._compiled else "",
            up_seconds=self.clock.monotonic() - self._started,
            receivers=self.receivers(),
            destinations={name: found.kind for name, found in self.settings.destinations.items()},
            messages=counts.pop("", {}),
            deliveries=counts,
            oldest_waiting=ages,
            paused=tuple(name for name, worker in workers.items() if worker.paused),
        )

    async def messages(self, filters: Filters) -> list[dict[str, Any]]:
        """Messages of the journal, newest first, without a value of theirs but MSH-10 and the type."""
        rows = await asyncio.to_thread(self._search.list_messages, filters)
        return [public(row) for row in rows]

    async def message(self, message_id: int) -> dict[str, Any] | None:
        """One message with its legs and issues; contents by their sizes only."""
        shown = await asyncio.to_thread(self._search.show, message_id)
        if shown is None:
            return None
        legs = [
            {name: value for name, value in msgspec.structs.asdict(leg).items() if name != "key"} for leg in shown.legs
        ]
        return {**public(shown.message), "issues": shown.issues, "answers": len(shown.answers), "legs": legs}

    async def retry(self, deliveries: Sequence[int]) -> int:
        """Parked, rejected or waiting deliveries are due now; gives how many there were."""
        return await self.journal.retry(deliveries)

    async def cancel(self, deliveries: Sequence[int]) -> int:
        """These deliveries are not to be made; gives how many were cancelled."""
        return await self.journal.cancel(deliveries)

    async def replay(self, message_id: int, destination: str | None = None) -> Sequence[int]:
        """Deliver a message again, to all its destinations or to one. ValueError for a destination that does not exist."""
        if destination is not None and destination not in self.settings.destinations:
            raise ValueError(f"no destination {destination!r}")
        return await self.journal.replay(message_id, destination)

    async def judge(self, message_id: int) -> str | None:
        """Judge a refused or parked message again with today's rules and index; gives its state, None for an unknown one."""
        if not await self.supervisor.reception.rejudge(message_id):
            return None
        shown = await asyncio.to_thread(self._search.show, message_id)
        return shown.message.state if shown is not None else None

    def http_hosts(self) -> list[str]:
        """Names that the web answers to: loopback, and any when the settings open it to the network behind a proxy."""
        http = self.settings.http
        return ["*"] if http.insecure else ["localhost", "127.0.0.1", "[::1]", http.host]

    def fhir_app(self) -> ASGIApp:
        """The ASGI app of the FHIR API over the connector's own store."""
        return self._running.fhir.app

    @property
    def _search(self) -> Search:
        return self._running.search


class _Built:
    """The parts, made in the order of their needs."""

    def __init__(self, application: Application, compiled: Compiled) -> None:
        from connector.app.exchanges import exchange_receiver
        from connector.app.judging import CurrentDesk
        from connector.app.patients import PatientSearch, directory, in_domain_of, patient_reader
        from connector.app.pdf_claims import pdf_only_of
        from connector.app.unmatched import keeper
        from connector.app.untranslated import Noted
        from connector.endpoints import Endpoint
        from connector.engine.supervisor import Destination, Supervisor
        from connector.store.documents import SqlDocuments
        from connector.store.retention import Retention
        from connector.store.search import Search

        settings, clock = application.settings, application.clock
        self.journal = open_journal(settings, clock)
        self.noted = Noted(self.journal)
        self.documents = SqlDocuments(self.journal)
        self.retention = Retention(self.journal)
        self.search = Search(self.journal.database, self.journal.files)
        self.desk = CurrentDesk(application.desk_of(compiled))
        unmatched = keeper(settings.data / "unmatched", clock)
        self.patients = PatientSearch(
            self.journal.patients,
            directory(settings, "pdqm"),
            lambda: patient_reader(self.desk.desk.translator, application.context()),
        )

        def endpoint(name: str) -> Endpoint:
            return Endpoint(
                name=name,
                clock=clock,
                environment=settings.environment,
                documents=self.documents,
                unmatched=unmatched,
                write=application.write,
                tree=application.tree,
            )

        self.receivers: dict[str, Receiver] = {
            spec.called: built(spec.kind, "in", spec.options, endpoint(spec.called)) for spec in settings.receivers
        }
        self.fhir = fhir_api(settings, endpoint("fhir"))
        destinations: Mapping[str, Destination] = {
            name: Destination(
                sender=pdf_only_of(
                    settings,
                    name,
                    in_domain_of(
                        settings, name, built(spec.kind, "out", spec.options, endpoint(name)), self.journal.patients
                    ),
                ),
                policy=spec.retry.policy(),
                parallel=spec.parallel,
            )
            for name, spec in settings.destinations.items()
        }
        self.exchange_in = exchange_receiver(settings, self.journal, clock)
        receivers = [*self.receivers.values(), self.exchange_in, self.fhir]
        self.supervisor = Supervisor(self.journal, self.desk, clock, destinations, receivers)


def public(row: Any) -> dict[str, Any]:
    """A line of the journal without what names a patient."""
    data = {name: value for name, value in msgspec.structs.asdict(row).items() if name not in ("patient", "key")}
    return {"message_id": data.pop("id"), **data, "deliveries": row.by_destination}


def product_version() -> str:
    """The version of the installed product."""
    try:
        return version_of("monsisra-connector")
    except PackageNotFoundError:
        return "0"


def _where(receiver: Any, options: Mapping[str, Any]) -> tuple[str, bool]:
    addresses = getattr(receiver, "addresses", None)
    if addresses is None:
        return str(options.get("path", "")), bool(getattr(receiver, "listening", True))
    return ", ".join(f"{host}:{port}" for host, port in addresses), bool(addresses)
