"""Tells it to a web server: any that takes JSON, and ntfy, which shows it on telephones."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from boardsync.alarms.message import Message
from boardsync.errors import TryAgain

AGENT = "boardsync"
PRIORITIES = {"information": 2, "warning": 4, "critical": 5}
"""ntfy's, of 1 to 5; 3 is its default."""
OVER_PRIORITY = 3
REDIRECTS = range(300, 400)


@dataclass(frozen=True, slots=True)
class Webhook:
    """An address that takes JSON. headers: they may be secret, and the address may be."""

    url: str = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def name(self) -> str:
        return f"webhook at {urlsplit(self.url).hostname}"

    async def tell(self, message: Message) -> None:
        await _post(self.name, self.url, message.as_json(), self.headers)


@dataclass(frozen=True, slots=True)
class Ntfy:
    """A topic of an ntfy server. Its address ends in the topic, which may be a secret."""

    url: str = field(repr=False)
    token: str | None = field(default=None, repr=False)

    @property
    def name(self) -> str:
        return f"ntfy at {urlsplit(self.url).hostname}"

    async def tell(self, message: Message) -> None:
        """Publish as JSON to the server's root: headers could not hold every title."""
        root, _, topic = self.url.rpartition("/")
        over = not message.begun
        body = {
            "topic": topic,
            "title": message.title,
            "message": message.text,
            "priority": OVER_PRIORITY if over else PRIORITIES[message.level],
            "tags": ["white_check_mark" if over else "warning"],
        }
        headers = {} if self.token is None else {"Authorization": f"Bearer {self.token}"}
        await _post(self.name, f"{root}/", json.dumps(body), headers)


async def _post(name: str, url: str, body: str, headers: Mapping[str, str]) -> None:
    """Send JSON. Only the status of the answer matters; a redirect is a failure."""
    import httpx  # nobody who only builds a channel pays for it

    sent = {"User-Agent": AGENT, **headers, "Content-Type": "application/json"}
    try:
        async with (
            httpx.AsyncClient(follow_redirects=False, timeout=None) as client,  # noqa: S113 (whoever calls ends it)
            client.stream("POST", url, content=body.encode(), headers=sent) as response,
        ):
            status = response.status_code
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        # The error's own text may hold the address.
        raise TryAgain(f"{name}: not reached: {type(error).__name__}") from None
    if status in REDIRECTS:
        raise TryAgain(
            f"{name}: it answers {status}, a redirect, which is not followed; set the address"
            " that it leads to"
        )
    if not 200 <= status < 300:
        raise TryAgain(f"{name}: it answers {status}")
