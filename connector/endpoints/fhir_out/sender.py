"""Delivers documents as FHIR R4: a transaction to any server, or into the connector's own store (`store: local`).

Every resource is `PUT` under its derived id, so that sending twice is harmless. Redirects are never followed and nothing but the
configured server is ever contacted, whatever the resources point at.
"""

from __future__ import annotations

import ipaddress
import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Literal, cast
from urllib.parse import urlsplit

import orjson
from msgspec.structs import replace
from pydantic import Field, model_validator

from connector.endpoints import Endpoint, EndpointKind, EndpointSettings
from connector.endpoints.fhir_out.local import LocalFiling
from connector.endpoints.tls import ClientTls, client_context
from connector.exchange.sharing import RECORDS, as_shared, box_refusals, ticked
from connector.fhir.codec import Resource, dump
from connector.fhir.outcome import from_outcome
from connector.fhir.submission import submission
from connector.fhir.transaction import Blob, deleting, detached, identifiers, relative, replaced, superseded, with_entry
from connector.fhir.validate import check_bundle, validate
from connector.issues import Issue, IssueCode, Severity, worst
from connector.ports import Claimed, DeliveryFailed, JournalUnavailable, Receipt, Retry
from connector.settings.references import SecretReference, SecretUnavailable, secret

if TYPE_CHECKING:
    import httpx

__all__ = ["KIND", "FhirOut", "FhirOutSettings", "retry_of"]

MEDIA = "application/fhir+json"
_SAMPLE = 20
#: What an HTTP status says about sending again. The others: 4xx and 3xx NEVER, 5xx SAFE (our PUTs may be repeated).
RETRIES: dict[int, Retry] = {
    401: Retry.SAFE,  # a token that has just expired; it is read again
    408: Retry.SAFE,
    409: Retry.SAFE,
    412: Retry.SAFE,
    423: Retry.SAFE,
    425: Retry.SAFE,
    429: Retry.SAFE,
    501: Retry.NEVER,
    502: Retry.AMBIGUOUS,
    504: Retry.AMBIGUOUS,
    505: Retry.NEVER,
}


def retry_of(status: int) -> Retry:
    """Whether a request that was answered with this status may be sent again."""
    return RETRIES.get(status) or (Retry.SAFE if status >= 500 else Retry.NEVER)


class FhirOutSettings(EndpointSettings):
    """A FHIR server, or the connector's own store."""

    store: Literal["local"] | None = Field(
        default=None, description="`local`: file in the connector's own store, which its FHIR address answers from."
    )
    url: str | None = Field(default=None, description="Base address of a FHIR R4 server, e.g. https://fhir.example/r4.")
    mode: Literal["transaction", "puts", "submission", "documents"] = Field(
        default="transaction",
        description="`transaction`: all or none in one request; `puts`: one PUT a resource, for servers without transactions; `submission`: documents alone, as IHE MHD ITI-65 (PDSm), for a shared record: only what may be shared leaves, hidden from the patient unless *Ma Santé Connectée* is ticked; `documents`: each document as a FHIR document (a Bundle of type *document*, `PUT Bundle/<id>`) with its header and sections.",
    )
    sections: bool = Field(
        default=False,
        description="Also send what a structured document says: its header and sections as a Composition beside its DocumentReference, its entries as Condition, AllergyIntolerance, MedicationStatement, Immunization, Procedure, Observation, DiagnosticReport. ITI-65 (`submission`) allows none of them; `documents` always has them.",
    )
    token: SecretReference | None = Field(
        default=None,
        description="Bearer token, as env:NAME or file:PATH; it is read again at each delivery, so that a renewed one is used.",
    )
    tls: ClientTls | None = Field(default=None, description="Authorities and client certificate, beside the system's.")
    insecure: str | None = Field(
        default=None,
        description="Why the server is spoken to in clear (http) beyond this machine; refused without a reason.",
    )
    connect_timeout: float = Field(default=10.0, gt=0, description="Seconds to connect.")
    timeout: float = Field(default=60.0, gt=0, description="Seconds without an answer, or between two parts of one.")
    binary_limit: int = Field(
        default=1024 * 1024,
        ge=0,
        description="Documents larger than this (bytes) are PUT on their own, as they are, before the transaction.",
    )
    supersede: bool = Field(
        default=True,
        description="Look the replaced document up on the server and mark it superseded in the same transaction.",
    )

    models: Literal["off", "sampled", "always"] = Field(
        default="off",
        description="Whether the models of fhir.resources also judge what leaves, beside our own compiled checks, which always do: `always` (0.6 to 1 ms a resource), `sampled` (every 20th delivery) or `off`. What comes in is always judged by them.",
    )

    @model_validator(mode="after")
    def _one_of_two(self) -> FhirOutSettings:
        if (self.store is None) == (self.url is None):
            raise ValueError("give either `store: local` or `url`")
        parts = urlsplit(self.url or "https://local")
        if (
            parts.scheme not in ("http", "https")
            or not parts.hostname
            or parts.username
            or parts.query
            or parts.fragment
        ):
            raise ValueError("`url` is an http or https address without user, query or fragment")
        if self.store is not None and self.mode != "transaction":
            raise ValueError("`mode` is for a server: the connector's own store takes transactions")
        if self.sections and self.mode == "submission":
            raise ValueError("`sections` is not for `submission`: ITI-65 takes documents alone")
        if parts.scheme == "http" and not self.insecure and not _loopback(parts.hostname):
            raise ValueError("`url` is in clear: use https, or say why in `insecure`")
        return self


def _loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class FhirOut:
    """A `Sender`."""

    def __init__(self, settings: FhirOutSettings, endpoint: Endpoint, transport: Any = None) -> None:
        self.settings = settings
        self.endpoint = endpoint
        self._transport = transport
        self._client: httpx.AsyncClient | None = None
        self._judged = 0
        if settings.store and endpoint.documents is None:
            raise ValueError(f"{endpoint.name}: `store: local` needs the connector's document store")
        self._local = LocalFiling(endpoint.documents) if endpoint.documents is not None else None

    async def deliver(self, claimed: Claimed, before_send: Callable[[], Awaitable[None]]) -> Receipt:
        """Deliver the resources of one message. Raises DeliveryFailed: NEVER (parked) when they are not FHIR or are refused."""
        if self.settings.mode == "documents":
            return await self._documents(claimed, before_send)
        bundle, issues = self._submission(claimed) if self.settings.mode == "submission" else self._bundle(claimed)
        if self.settings.store:
            return await self._file(bundle, issues, before_send)
        return await self._send(bundle, issues, before_send)

    async def close(self) -> None:
        """Release connections."""
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    def _bundle(self, claimed: Claimed) -> tuple[Resource, tuple[Issue, ...]]:
        """The transaction of a delivery, checked: what we send is FHIR."""
        if self.endpoint.tree is not None:
            made = self.endpoint.tree(claimed, "fhir")
            bundle = cast("Resource | None", made.value)
            issues = made.issues
        elif self.endpoint.write is not None:
            written = self.endpoint.write(claimed, "fhir")
            bundle, issues = orjson.loads(written.value) if written.value is not None else None, written.issues
        else:
            raise ValueError(f"{self.endpoint.name}: nothing writes FHIR for this endpoint")
        found = check_bundle(bundle) if bundle is not None else []
        if bundle is not None and self._models_judge():
            found += validate(orjson.loads(dump(bundle)))
        if bundle is None or worst(found) >= Severity.ERROR:
            candidates = [*found, *issues]
            issue = max(candidates, key=lambda each: each.severity, default=_issue(IssueCode.INTERNAL, what="write"))
            raise DeliveryFailed(Retry.NEVER, issue, park=True)
        return bundle, issues

    def _models_judge(self) -> bool:
        self._judged += 1
        chosen = self.settings.models
        return chosen == "always" or (chosen == "sampled" and self._judged % _SAMPLE == 1)

    def _submission(self, claimed: Claimed) -> tuple[Resource, tuple[Issue, ...]]:
        """The documents as ITI-65. Raises DeliveryFailed NEVER (rejected) naming the rule when they may not be shared."""
        exchange = claimed.exchange
        told: list[Issue] = []
        if exchange is not None:
            asked = [box for box in ticked(exchange) if box in RECORDS] or ["regional_record"]
            refusals = {box: list(box_refusals(exchange, box)) for box in asked}
            served = [box for box in asked if not refusals[box]]
            told = [replace(each, severity=Severity.WARNING) for box in asked for each in refusals[box]]
            if not served:
                raise DeliveryFailed(Retry.NEVER, refusals[asked[0]][0])
            claimed = replace(claimed, exchange=as_shared(exchange, visible="ma_sante_connectee" in served))
        bundle, issues = self._bundle(claimed)
        made = submission(bundle)
        if made is None:
            raise DeliveryFailed(Retry.NEVER, _issue(IssueCode.SENDER_MISSING, what="MHD ITI-65"), park=True)
        return made, (*issues, *told)

    # --- the connector's own store

    async def _file(
        self, bundle: Resource, issues: tuple[Issue, ...], before_send: Callable[[], Awaitable[None]]
    ) -> Receipt:
        assert self._local is not None  # noqa: S101 - the constructor saw to it
        try:
            indexed, blobs, found = await self._local.prepare(bundle)
            await before_send()
            await self._local.put(indexed, blobs)
        except JournalUnavailable as error:
            raise DeliveryFailed(Retry.SAFE, _issue(IssueCode.STORE_UNAVAILABLE)) from error
        return Receipt(reference=_names(bundle), answer=b"filed", issues=(*issues, *found))

    # --- a server

    async def _send(
        self, bundle: Resource, issues: tuple[Issue, ...], before_send: Callable[[], Awaitable[None]]
    ) -> Receipt:
        whole = self.settings.mode == "submission"
        bundle, blobs = detached(bundle, sys.maxsize if whole else self.settings.binary_limit)
        if self.settings.supersede and not whole:  # ITI-65: the server itself supersedes what `relatesTo` replaces
            bundle, found = await self._superseding(bundle)
            issues = (*issues, *found)
        await before_send()
        for blob in blobs:
            await self._put_blob(blob)
        if self.settings.mode == "puts":
            return await self._one_by_one(bundle, issues)
        body = dump(bundle)
        response = await self._request("POST", "", body, MEDIA)
        return Receipt(
            reference=_placed(response) if whole else _names(bundle, self.settings.url),
            sent=body,
            answer=response.content,
            issues=(*issues, *_told(response)),
        )

    async def _documents(self, claimed: Claimed, before_send: Callable[[], Awaitable[None]]) -> Receipt:
        """Each document as a Bundle of its own. Raises DeliveryFailed NEVER (rejected) when there is none."""
        exchange = claimed.exchange
        if exchange is None or not exchange.documents:
            raise DeliveryFailed(Retry.NEVER, _issue(IssueCode.DOCUMENT_MISSING))
        alone = [replace(claimed, exchange=replace(exchange, documents=(each,))) for each in exchange.documents]
        made = [self._bundle(each) for each in alone]
        await before_send()
        sent, response = b"", None
        for bundle, _ in made:
            sent = dump(bundle)
            response = await self._request("PUT", f"Bundle/{bundle['id']}", sent, MEDIA)
        base = (self.settings.url or "").rstrip("/")
        return Receipt(
            reference="\n".join(f"{base}/Bundle/{bundle['id']}" for bundle, _ in made),
            sent=sent,
            answer=response.content if response is not None else b"",
            issues=tuple(issue for _, told in made for issue in told),
        )

    async def _one_by_one(self, bundle: Resource, issues: tuple[Issue, ...]) -> Receipt:
        answer = b""
        for resource in relative(bundle):
            name = f"{resource['resourceType']}/{resource['id']}"
            answer = (await self._request("PUT", name, dump(resource), MEDIA)).content
        return Receipt(reference=_names(bundle, self.settings.url), sent=dump(bundle), answer=answer, issues=issues)

    async def _put_blob(self, blob: Blob) -> None:
        identity, media, data = blob
        await self._request("PUT", f"Binary/{identity}", data, media)

    async def _superseding(self, bundle: Resource) -> tuple[Resource, list[Issue]]:
        """Older documents of the server take part in the transaction: superseded, or entered in error with what is known of them."""
        issues: list[Issue] = []
        resources = [entry["resource"] for entry in bundle["entry"]]
        asked = [(value, "superseded") for _, _, value in replaced(resources)]
        asked += [(value, "entered-in-error") for each in deleting(resources) if (value := identifiers(each))]
        ours = {each["id"] for each in resources}
        for value, status in asked:
            found = await self._look_up(value)
            if not found:
                issues.append(_issue(IssueCode.DOCUMENT_NOT_FOUND, Severity.INFORMATION))
            for old in found:
                if old["id"] in ours or old.get("status") == status:
                    continue
                version = old.get("meta", {}).get("versionId")
                etag = f'W/"{version}"' if version else None
                bundle = with_entry(bundle, superseded(old, status), self.settings.url or "", etag)
        return bundle, issues

    async def _look_up(self, value: str) -> list[Resource]:
        """The server's documents of an identifier; a server that cannot say is no reason to fail."""
        try:
            response = await self._request(
                "GET", "DocumentReference", None, None, {"identifier": value, "_count": "20"}
            )
        except DeliveryFailed as failure:
            if failure.retry is Retry.NEVER:
                return []
            # Nothing was sent yet: a lost answer to a question leaves nothing in doubt.
            raise DeliveryFailed(Retry.SAFE, failure.issue, answer=failure.answer) from failure
        answer = _json(response.content)
        entries = answer.get("entry", ()) if isinstance(answer, dict) else ()
        found = [entry.get("resource", {}) for entry in entries if isinstance(entry, dict)]
        return [each for each in found if each.get("resourceType") == "DocumentReference" and "id" in each]

    async def _request(
        self, method: str, path: str, body: bytes | None, media: str | None, params: dict[str, str] | None = None
    ) -> httpx.Response:
        import httpx  # costs a tenth of a second: only who delivers pays it

        headers = {"Accept": MEDIA}
        if media is not None:
            headers["Content-Type"] = media
        if self.settings.token is not None:
            headers["Authorization"] = f"Bearer {self._token()}"
        url = f"{(self.settings.url or '').rstrip('/')}/{path}".rstrip("/")
        try:
            response = await self._http().request(method, url, content=body, headers=headers, params=params)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise DeliveryFailed(Retry.SAFE, _issue(IssueCode.UNREACHABLE, what=type(error).__name__)) from error
        except httpx.HTTPError as error:
            raise DeliveryFailed(
                Retry.AMBIGUOUS, _issue(IssueCode.NO_ANSWER, what=type(error).__name__), sent=body or b""
            ) from error
        if response.is_success:
            return response
        retry = retry_of(response.status_code)
        told = from_outcome(_json(response.content))
        known = next((each for each in told if each.code != IssueCode.ANSWER_REFUSED.name), None)
        what = " ".join([f"HTTP {response.status_code}", *(each.params.get("what", "") for each in told[:1])]).strip()
        issue = known or _issue(IssueCode.ANSWER_REFUSED, what=what)
        raise DeliveryFailed(retry, issue, answer=response.content, sent=body or b"", park=retry is Retry.NEVER)

    def _token(self) -> str:
        try:
            return secret(self.settings.token or "")
        except SecretUnavailable as error:
            raise DeliveryFailed(Retry.SAFE, _issue(IssueCode.UNREACHABLE, what="token")) from error

    def _http(self) -> httpx.AsyncClient:
        if self._client is None:
            import httpx

            settings = self.settings
            self._client = httpx.AsyncClient(
                verify=client_context(settings.tls or ClientTls()),
                timeout=httpx.Timeout(settings.timeout, connect=settings.connect_timeout),
                follow_redirects=False,
                trust_env=False,
                transport=self._transport,
            )
        return self._client


def _issue(code: IssueCode, severity: Severity = Severity.ERROR, **params: str) -> Issue:
    return Issue.of(severity, code, **params)


def _json(content: bytes) -> Any:
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError:
        return None


def _told(response: httpx.Response) -> tuple[Issue, ...]:
    """A success that cannot be read is still a success; it is told."""
    answer = _json(response.content)
    if isinstance(answer, dict) and answer.get("resourceType") in ("Bundle", "OperationOutcome"):
        return ()
    return (_issue(IssueCode.ANSWER_UNREADABLE, Severity.WARNING),)


def _placed(response: httpx.Response) -> str:
    """Where the server put the documents of a submission, one a line, as it says itself."""
    answer = _json(response.content)
    entries = answer.get("entry", ()) if isinstance(answer, dict) else ()
    told = [str(each.get("response", {}).get("location", "")) for each in entries if isinstance(each, dict)]
    return "\n".join(place for place in told if "DocumentReference/" in place)


def _names(bundle: Resource, base: str | None = None) -> str:
    """The documents' addresses, one a line; the Patient's when there is no document."""
    names = [f"{each['resource']['resourceType']}/{each['resource']['id']}" for each in bundle["entry"]]
    documents = [name for name in names if name.startswith("DocumentReference/")] or names[:1]
    return "\n".join(f"{base.rstrip('/')}/{name}" if base else name for name in documents)


def _build(settings: FhirOutSettings, endpoint: Endpoint) -> FhirOut:
    return FhirOut(settings, endpoint)


KIND = EndpointKind(
    name="fhir_out",
    direction="out",
    title=("Serveur FHIR", "FHIR server"),
    settings=FhirOutSettings,
    build=_build,
)
