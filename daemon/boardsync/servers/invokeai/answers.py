"""What the server answered, and which class of error that is. Pure: no connection in sight.

The one place where a status becomes a class of `boardsync.errors`; everything above asks
the class. A status alone proves little: since 6.12 an unknown address is answered `200`
with the web page, and a proxy may answer 404 for a server that is merely restarting.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from boardsync.errors import (
    BoardsyncError,
    NotAuthorised,
    OutcomeUnknown,
    ServerBusy,
    ServerFault,
    ServerRefused,
)
from boardsync.telemetry.redaction import clean

JSON = "application/json"
DETAIL_LENGTH = 300
"""Validation errors echo what was sent, up to a whole graph: nobody reads that in a log."""
PROXY_STATUSES = frozenset({502, 503, 504, *range(520, 531)})
BUSY_STATUSES = frozenset({408, 409, 425, 429}) | PROXY_STATUSES


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer, read to its end.

    request: method and address as a person may see them, without credentials.
    """

    request: str
    status: int
    media_type: str
    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def is_page(self) -> bool:
        """Whether this is a web page, so that no API was reached."""
        return self.media_type == "text/html"

    @property
    def lacks_route(self) -> bool:
        """Whether this version of the server does not know the address asked for."""
        return self.status in {404, 405} or (self.status == 200 and self.is_page)

    @property
    def says_missing(self) -> bool:
        """Whether InvokeAI itself, not some proxy, says that the subject does not exist."""
        return self.status == 404 and self.media_type == JSON and bool(self.detail())

    def json(self) -> object:
        """Parse the body. Raises ServerFault when it is not JSON."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError) as error:
            message = f"{self.request} answered something that is not JSON: {error}"
            raise ServerFault(message) from error

    def json_object(self) -> Mapping[str, object]:
        """Parse the body as a JSON object. Raises ServerFault for anything else."""
        value = self.json()
        if not isinstance(value, dict):
            raise ServerFault(f"{self.request} answered no JSON object")
        return value

    def json_list(self) -> Sequence[object]:
        """Parse the body as a JSON list. Raises ServerFault for anything else."""
        value = self.json()
        if not isinstance(value, list):
            raise ServerFault(f"{self.request} answered no JSON list")
        return value

    def detail(self) -> str:
        """Return the server's own words for an error, cut short; empty when it has none.

        They are kept in the state and told to whoever asks: a secret that they echo is taken out.
        """
        if self.media_type != JSON:
            return ""
        try:
            value = self.json_object().get("detail")
        except ServerFault:
            return ""
        if isinstance(value, list):
            value = "; ".join(_complaint(entry) for entry in value[:3])
        return clean(value)[:DETAIL_LENGTH] if isinstance(value, str) else ""


def error_of(answer: Answer, expected: str, *, writes: bool) -> BoardsyncError | None:
    """Return the error that an answer is, or None for a success of the expected media type.

    writes: the request changes something, so that a failing server or proxy leaves open
    whether it happened. Refusals are certain either way.
    """
    if 200 <= answer.status < 300:
        return None if answer.media_type == expected else _wrong_type(answer, expected)
    text = _sentence(answer)
    if answer.status == 401:
        return NotAuthorised(f"{text}. Check the e-mail and password of this server")
    if writes and (answer.status == 500 or answer.status in PROXY_STATUSES):
        return OutcomeUnknown(text, retry_after=retry_after(answer.headers))
    if answer.status in BUSY_STATUSES:
        return ServerBusy(text, retry_after=retry_after(answer.headers))
    if answer.status in {404, 405}:
        return ServerFault(f"{text}. Is this the address of an InvokeAI server?")
    if 400 <= answer.status < 500:
        return ServerRefused(text, status=answer.status)
    return ServerFault(text)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that a Retry-After header asks for, None without a usable one.

    A date is measured against the answer's own Date, so that our clock does not matter.
    """
    value = headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return float(value[:9])
    until, now = _http_date(value), _http_date(headers.get("date", ""))
    if until is None or now is None:
        return None
    return max(0.0, (until - now).total_seconds())


def _http_date(text: str) -> datetime | None:
    try:
        when = parsedate_to_datetime(text)
    except ValueError:
        return None
    return when if when.tzinfo else when.replace(tzinfo=UTC)


def _sentence(answer: Answer) -> str:
    location = answer.headers.get("location", "")
    if 300 <= answer.status < 400 and location:
        target = location.split("?")[0][:DETAIL_LENGTH]
        return (
            f"{answer.request} redirects to {target}, and redirects are not followed so that "
            "credentials stay here. Put the final address into the settings"
        )
    detail = answer.detail()
    return f"{answer.request} answered {answer.status}" + (f": {detail}" if detail else "")


def _wrong_type(answer: Answer, expected: str) -> ServerFault:
    if answer.is_page:
        return ServerFault(
            f"{answer.request} answered a web page: this address does not serve the InvokeAI "
            "API. Check the url of this server"
        )
    found = answer.media_type or "no content type"
    return ServerFault(f"{answer.request} answered {found} instead of {expected}")


def _complaint(entry: object) -> str:
    """Shorten one validation error to its place and message, without its echoed input."""
    if not isinstance(entry, dict):
        return str(entry)[:80]
    location = entry.get("loc")
    place = ".".join(str(part) for part in location) if isinstance(location, list) else ""
    return f"{place}: {entry.get('msg', 'invalid')}"[:120]
