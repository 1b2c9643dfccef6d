"""What a server at an address shows before anybody logs in: its clock and its certificate."""

from __future__ import annotations

import contextlib
import http.client
import ssl
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class OutsideView:
    """Seconds since the epoch, None for what is not shown.

    date: the server's clock. expires: its certificate's end. unchecked: its certificate is
    believed whatever it is.
    """

    date: float | None = None
    expires: float | None = None
    unchecked: bool = False


def look_at(
    url: str, ca_file: Path | None, timeout: float, *, verify: bool
) -> OutsideView:  # fmt: skip
    """Ask for nothing in particular, once; blocks. One that does not answer shows nothing.

    No proxy is asked: what it showed would be its own.
    """
    parts = urlsplit(url)
    secure = parts.scheme == "https"
    try:
        connection = _connection(str(parts.hostname), parts.port, ca_file, timeout, secure, verify)
    except (OSError, ValueError):
        return OutsideView(unchecked=secure and not verify)
    expires = None
    try:
        with contextlib.closing(connection):
            connection.connect()
            if secure and verify:
                expires = _end_of_certificate(connection)
            connection.request("HEAD", parts.path or "/")
            date = _moment(connection.getresponse().getheader("Date"))
    except (OSError, ValueError, http.client.HTTPException):
        return OutsideView(expires=expires, unchecked=secure and not verify)
    return OutsideView(date, expires, secure and not verify)


def _connection(
    host: str, port: int | None, ca_file: Path | None, timeout: float, secure: bool, verify: bool
) -> http.client.HTTPConnection:  # fmt: skip
    if not secure:
        return http.client.HTTPConnection(host, port, timeout=timeout)
    context = ssl.create_default_context()
    if ca_file is not None:
        context.load_verify_locations(ca_file)
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return http.client.HTTPSConnection(host, port, timeout=timeout, context=context)


def _end_of_certificate(connection: http.client.HTTPConnection) -> float | None:
    assert isinstance(connection.sock, ssl.SSLSocket)  # noqa: S101
    shown = (connection.sock.getpeercert() or {}).get("notAfter")
    return float(ssl.cert_time_to_seconds(str(shown))) if shown else None


def _moment(date: str | None) -> float | None:
    return None if date is None else parsedate_to_datetime(date).timestamp()
