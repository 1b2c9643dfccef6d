"""Who is there: the server's version, its login, and what a person should know about both."""

from __future__ import annotations

import re
from typing import Final

from boardsync.errors import NotAuthorised, ServerFault
from boardsync.model import ServerInfo
from boardsync.servers.invokeai.transport import Transport, get

KIND: Final = "invokeai"
OLDEST: Final = (5, 13)
"""Before it, Uncategorized cannot be listed."""
FREE_WRITES: Final = (6, 14)
"""From here on an upload no longer stops the whole server, and a failed one leaves nothing."""


async def probe(transport: Transport) -> ServerInfo:
    """Ask for the version and, where accounts exist, see that ours is let in.

    Raises ServerUnreachable, ServerFault when something else answers, NotAuthorised.
    """
    return await describe(transport, await ask_version(transport))


async def ask_version(transport: Transport) -> str:
    """Ask for the version, which needs no login. Raises ServerFault when there is none."""
    answer = await transport.call(get("/app/version"))
    version = answer.json_object().get("version")
    if not isinstance(version, str) or not version:
        raise ServerFault(f"{answer.request} answered no version: is this an InvokeAI server?")
    return version


async def describe(transport: Transport, version: str) -> ServerInfo:
    """Tell what a person should know of a server of this version; see `probe` for the errors."""
    remarks = (*_version_remarks(version), *await _login_remarks(transport))
    return ServerInfo(KIND, version, transport.address, remarks)


def stands_still(version: str) -> bool:
    """Tell whether a server of this version answers nobody while it stores a picture."""
    return release(version) < FREE_WRITES


def release(version: str) -> tuple[int, ...]:
    """Return the numbers a version begins with, for comparing: `6.14.2rc1` is (6, 14, 2)."""
    found = re.match(r"\d{1,6}(\.\d{1,6})*", version)
    return tuple(int(number) for number in found[0].split(".")) if found else ()


async def _login_remarks(transport: Transport) -> tuple[str, ...]:
    status = await transport.login.status()
    if status.setup_required:
        raise NotAuthorised(f"{transport.label} has no account yet: open it in a browser first")
    if status.wanted and not transport.login.configured:
        raise NotAuthorised(f"{transport.label} wants a login: set its email and password")
    if status.wanted:
        await transport.call(get("/images/", ("limit", 0)))
    elif transport.login.configured:
        return ("it has no accounts: email and password are not sent",)
    return ()


def _version_remarks(version: str) -> tuple[str, ...]:
    numbers = release(version)
    remarks: list[str] = []
    if numbers < OLDEST:
        remarks.append(f"version {version} is older than 5.13, the oldest that is supported")
    elif stands_still(version):
        remarks.append(f"version {version} stands still while it stores an upload; 6.14 does not")
    if numbers[:2] == (6, 12):
        remarks.append("version 6.12 checks logins only in parts: use 6.13 or later for accounts")
    return tuple(remarks)
