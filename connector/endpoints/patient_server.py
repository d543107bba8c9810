"""Asks a FHIR server who a patient is: IHE PDQm (ITI-78) by traits or number, IHE PIXm (ITI-83) for the number in another domain.

Nothing but the configured server is ever contacted: redirects and links are not followed, and an answer is read up to a limit.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from connector.endpoints.tls import client_context
from connector.exchange.identifiers import fhir_system, from_fhir
from connector.exchange.people import Identifier
from connector.fhir.codec import Resource, load
from connector.issues import Issue, IssueCode, Severity
from connector.ports import DeliveryFailed, Retry
from connector.settings import PatientServer, SecretUnavailable, secret
from connector.settings.tls import ClientTls

if TYPE_CHECKING:
    import httpx

__all__ = ["Found", "PatientDirectory"]

MEDIA = "application/fhir+json"
_LARGEST = 4 << 20  # bytes of an answer


class Found:
    """What a server answered to ITI-78: Patient resources, and whether it has more than it sent."""

    __slots__ = ("more", "patients")

    def __init__(self, patients: list[Resource], more: bool) -> None:
        self.patients = patients
        self.more = more


class PatientDirectory:
    """One server. Raises DeliveryFailed: SAFE when it may be asked again, NEVER when it judged the question."""

    def __init__(self, settings: PatientServer, transport: Any = None) -> None:
        self.settings = settings
        self._transport = transport
        self._client: httpx.AsyncClient | None = None

    @property
    def name(self) -> str:
        """How people are told where an answer comes from: the server's host."""
        return urlsplit(self.settings.url).hostname or ""

    async def search(
        self,
        *,
        family: str = "",
        given: str = "",
        birth_date: str = "",
        number: str = "",
        domain: str = "",
        count: int = 20,
    ) -> Found:
        """ITI-78, `GET Patient?…`: each Patient of the first page that the server gives."""
        token = f"urn:oid:{domain}|{number}" if domain else number
        asked = {"family": family, "given": given, "birthdate": birth_date, "identifier": token, "_count": str(count)}
        bundle = await self._get("Patient", {name: value for name, value in asked.items() if value})
        if bundle is None:
            return Found([], False)
        if bundle.get("resourceType") != "Bundle" or bundle.get("type") != "searchset":
            raise _unreadable()
        entries = [each.get("resource") for each in bundle.get("entry", ()) if isinstance(each, dict)]
        patients = [each for each in entries if isinstance(each, dict) and each.get("resourceType") == "Patient"]
        links = [each for each in bundle.get("link", ()) if isinstance(each, dict)]
        return Found(patients, any(each.get("relation") == "next" for each in links))

    async def identifier(self, known: Identifier, domain: str) -> Identifier | None:
        """ITI-83, `GET Patient/$ihe-pix?sourceIdentifier=&targetSystem=`: the identifier of a domain (OID), None when the server knows none."""
        source = f"{fhir_system(known) or ''}|{known.value}"
        answer = await self._get("Patient/$ihe-pix", {"sourceIdentifier": source, "targetSystem": f"urn:oid:{domain}"})
        if answer is None:
            return None
        if answer.get("resourceType") != "Parameters":
            raise _unreadable()
        for each in answer.get("parameter", ()):
            if not isinstance(each, dict) or each.get("name") != "targetIdentifier":
                continue
            found = each.get("valueIdentifier")
            if (
                isinstance(found, dict)
                and found.get("system") == f"urn:oid:{domain}"
                and isinstance(found.get("value"), str)
            ):
                return from_fhir(found["system"], found["value"])
        return None

    async def close(self) -> None:
        """Release connections."""
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    async def _get(self, path: str, params: Mapping[str, str]) -> Resource | None:
        """The resource answered; None for 404, which both profiles use for "no such patient"."""
        import httpx  # costs a tenth of a second: only who asks pays it

        url = f"{self.settings.url.rstrip('/')}/{path}"
        try:
            async with self._http().stream("GET", url, params=dict(params), headers=self._headers()) as response:
                body = await _read(response)
        except httpx.HTTPError as error:
            # A question changes nothing: it may always be asked again.
            raise _failed(Retry.SAFE, IssueCode.UNREACHABLE, type(error).__name__) from error
        if response.status_code == httpx.codes.NOT_FOUND:
            return None
        if not response.is_success:
            again = response.status_code >= 500 or response.status_code in (401, 408, 425, 429)
            raise _failed(
                Retry.SAFE if again else Retry.NEVER, IssueCode.ANSWER_REFUSED, f"HTTP {response.status_code}"
            )
        found = load(body).value
        if found is None:
            raise _unreadable()
        return found

    def _headers(self) -> dict[str, str]:
        headers = {"Accept": MEDIA}
        if self.settings.token is not None:
            try:
                headers["Authorization"] = f"Bearer {secret(self.settings.token)}"
            except SecretUnavailable as error:
                raise _failed(Retry.SAFE, IssueCode.UNREACHABLE, "token") from error
        return headers

    def _http(self) -> httpx.AsyncClient:
        if self._client is None:
            import httpx

            self._client = httpx.AsyncClient(
                verify=client_context(self.settings.tls or ClientTls()),
                timeout=self.settings.timeout,
                follow_redirects=False,
                trust_env=False,
                transport=self._transport,
            )
        return self._client


async def _read(response: httpx.Response) -> bytes:
    parts, size = [], 0
    async for part in response.aiter_bytes():
        size += len(part)
        if size > _LARGEST:
            raise _failed(Retry.NEVER, IssueCode.ANSWER_UNREADABLE)
        parts.append(part)
    return b"".join(parts)


def _unreadable() -> DeliveryFailed:
    return _failed(Retry.NEVER, IssueCode.ANSWER_UNREADABLE)


def _failed(retry: Retry, code: IssueCode, what: str = "") -> DeliveryFailed:
    return DeliveryFailed(retry, Issue.of(Severity.ERROR, code, what=what), park=retry is Retry.NEVER)
