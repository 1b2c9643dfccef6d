"""Where a connection may lead: names are resolved once, and what was checked is what is dialled."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address

from boardsync.errors import Refused, ServerUnreachable
from boardsync.plan.addresses import why_not_public
from boardsync.servers.elsewhere.location import Location

Resolve = Callable[[str], Awaitable[Sequence[str]]]
Judge = Callable[[str], str | None]


async def addresses_of(host: str) -> Sequence[str]:
    """Ask the system for the IP addresses of a name. Raises OSError or UnicodeError."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def nowhere_is_inside(address: str) -> str | None:  # noqa: ARG001 (a Judge)
    """Judge as one who allows private addresses."""
    return None


@dataclass(frozen=True, slots=True)
class Doors:
    """Which machines may be asked. judge: returns why an IP address may not, None if it may."""

    resolve: Resolve = addresses_of
    judge: Judge = why_not_public

    async def to(self, location: Location) -> Sequence[str]:
        """Return the IP addresses behind a location, each of which may be connected to.

        One bad address condemns the name. Whoever asks again may be told others, so nothing but
        what is returned here may be dialled. Raises Refused or ServerUnreachable.
        """
        found = await self._found(location)
        for address in found:
            self.require_open(location, address)
        return found

    def require_open(self, location: Location, address: str) -> None:
        """Raise Refused for an address that leads inside."""
        inside = self.judge(address)
        if inside is not None:
            raise Refused(
                f"{location}: {address} is not of the public internet but of {inside}; allow "
                "private addresses if that is meant (allow_private_addresses)"
            )

    async def _found(self, location: Location) -> Sequence[str]:
        if is_ip(location.host):
            return [location.host]
        try:
            found = await self.resolve(location.host)
        except (OSError, UnicodeError) as error:
            words = getattr(error, "strerror", None) or str(error)
            raise ServerUnreachable(f"{location}: its host has no address: {words}") from error
        if not found:
            raise ServerUnreachable(f"{location}: its host has no address")
        return found


def is_ip(host: str) -> bool:
    """Tell whether a host is written as an IP address."""
    with suppress(ValueError):
        ip_address(host)
        return True
    return False
