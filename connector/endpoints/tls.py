"""TLS for what listens and what connects: contexts made from settings, every mistake told with the setting and the file."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

from pydantic import Field, model_validator

from connector.settings.references import SecretReference, SecretUnavailable, secret
from connector.settings.tls import ClientTls, Tls

__all__ = ["ClientTls", "ServerTls", "TlsProblem", "client_context", "names_of", "server_context"]


class TlsProblem(Exception):
    """The TLS settings cannot be used; the text names the setting and the file, never a key."""


class ServerTls(Tls):
    """TLS of a receiver. With `authorities` every client must show a certificate of theirs (mutual TLS)."""

    certificate: Path = Field(description="PEM file of our certificate and its chain.")
    key: Path = Field(description="PEM file of its private key.")
    key_passphrase: SecretReference | None = Field(
        default=None, description="Passphrase of the key, as env:NAME or file:PATH."
    )
    authorities: Path | None = Field(
        default=None, description="PEM file of the authorities whose clients are admitted; without it any client is."
    )
    names: tuple[str, ...] = Field(
        default=(),
        description="Names admitted among those authorities' clients (common name or alternative name); empty: all of them.",
    )

    @model_validator(mode="after")
    def _names_need_authorities(self) -> ServerTls:
        if (self.names or self.revocation) and self.authorities is None:
            raise ValueError("`names` and `revocation` need `authorities`: without them no client shows a certificate")
        return self


def server_context(tls: ServerTls) -> ssl.SSLContext:
    """The context of a receiver. Raises TlsProblem."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _load_chain(context, tls.certificate, tls.key, tls.key_passphrase)
    if tls.authorities is not None:
        _load_authorities(context, tls.authorities, "authorities")
        context.verify_mode = ssl.CERT_REQUIRED
    _finish(context, tls)
    return context


def client_context(tls: ClientTls) -> ssl.SSLContext:
    """The context of a sender. Raises TlsProblem."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if tls.authorities is not None:
        _load_authorities(context, tls.authorities, "authorities")
    else:
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    if tls.certificate is not None and tls.key is not None:
        _load_chain(context, tls.certificate, tls.key, tls.key_passphrase)
    _finish(context, tls)
    return context


def names_of(certificate: dict[str, Any] | None) -> set[str]:
    """The names that a peer's certificate bears: common names and alternative names."""
    if not certificate:
        return set()
    common = {value for part in certificate.get("subject", ()) for key, value in part if key == "commonName"}
    return common | {value for _, value in certificate.get("subjectAltName", ())}


def _finish(context: ssl.SSLContext, tls: Tls) -> None:
    context.minimum_version = ssl.TLSVersion.TLSv1_3 if tls.minimum == "1.3" else ssl.TLSVersion.TLSv1_2
    if tls.revocation is not None:
        _load_authorities(context, tls.revocation, "revocation")
        context.verify_flags |= ssl.VerifyFlags.VERIFY_CRL_CHECK_LEAF


def _load_chain(context: ssl.SSLContext, certificate: Path, key: Path, passphrase: str | None) -> None:
    for name, path in (("certificate", certificate), ("key", key)):
        _readable(name, path)
    try:
        # An empty passphrase: without one, OpenSSL would ask on the terminal for that of an encrypted key.
        context.load_cert_chain(certificate, key, password=secret(passphrase) if passphrase else "")
    except SecretUnavailable as error:
        raise TlsProblem(f"tls.key_passphrase: {error}") from error
    except ssl.SSLError as error:
        reason = (
            "the key is not that of the certificate"
            if error.reason == "KEY_VALUES_MISMATCH"
            else "not PEM, or another passphrase"
        )
        raise TlsProblem(f"tls.certificate {certificate} with tls.key {key}: {reason}") from error


def _load_authorities(context: ssl.SSLContext, path: Path, name: str) -> None:
    _readable(name, path)
    try:
        context.load_verify_locations(cafile=path)
    except ssl.SSLError as error:
        raise TlsProblem(f"tls.{name} {path}: no certificate or revocation list in PEM form") from error


def _readable(name: str, path: Path) -> None:
    try:
        with path.open("rb"):
            pass
    except OSError as error:
        raise TlsProblem(f"tls.{name} {path}: {error.strerror}") from error
