"""Where a server is, whose certificates it may show, and how names become parts of a path."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from os import PathLike
from urllib.parse import quote

import httpx

from boardsync.errors import SettingsError


@dataclass(frozen=True, slots=True)
class Trust:
    """Whose certificates are believed: the system's, those of a file as well, or anybody's."""

    ca_file: str | PathLike[str] | None = None
    verify_tls: bool = True


def segment(text: str) -> str:
    """Encode a name or id as one segment of a path, dots alone and slashes included."""
    encoded = quote(text, safe="", errors="replace")
    return encoded if encoded.strip(".") else encoded.replace(".", "%2E")


def certificates(label: str, url: str, trust: Trust) -> ssl.SSLContext | bool:
    """Return what httpx shall check certificates with. Raises SettingsError.

    Without TLS nobody is trusted: reading the system's certificates takes 30 ms and
    several megabytes that nothing would use.
    """
    if not url.startswith("https:"):
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if trust.ca_file is None or not trust.verify_tls:
        return trust.verify_tls
    context = httpx.create_ssl_context()
    try:
        context.load_verify_locations(trust.ca_file)
    except OSError as error:
        message = f"{label}: its ca_file {trust.ca_file} holds no usable certificates: {error}"
        raise SettingsError(message) from error
    return context


def checked_url(label: str, url: str) -> tuple[str, str]:
    """Return the prefix of all requests, and the same without credentials for messages.

    The path belongs to it: behind a proxy the whole server may live below one.
    """
    try:
        parsed = httpx.URL(url.strip())
    except httpx.InvalidURL as error:
        raise SettingsError(f"{label}: its url cannot be read: {error}") from error
    if parsed.scheme not in {"http", "https"} or not parsed.host:
        raise SettingsError(f"{label}: its url must begin with http:// or https:// and a host")
    if parsed.query or parsed.fragment:
        raise SettingsError(f"{label}: its url must not hold '?' or '#'")
    shown = parsed.copy_with(username=None, password=None)
    return str(parsed).rstrip("/"), str(shown).rstrip("/")
