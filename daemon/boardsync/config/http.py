"""The settings of the HTTP API on TCP: where it listens, and who is let in."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BeforeValidator, Field, GetCoreSchemaHandler, model_validator
from pydantic_core import CoreSchema, core_schema

from boardsync.config.base import Section, combination
from boardsync.config.quantities import Words
from boardsync.config.secret import EXPECTED, Secret
from boardsync.errors import SettingsError

LOOPBACK_HOST = "127.0.0.1"
LARGEST_PORT = 65_535
SHORTEST_TOKEN = 16
_PORT = re.compile(r"[0-9]{1,5}", re.ASCII)
_NAME = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?:\.(?!-)[a-z0-9_-]{1,63})*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Address:
    """A host and a port to listen at. host: a name or an address, without brackets."""

    host: str
    port: int

    @classmethod
    def __get_pydantic_core_schema__(cls, _: Any, __: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.is_instance_schema(cls)

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it. Of a name other than localhost nobody knows."""
        return is_loopback(self.host)

    @property
    def is_wildcard(self) -> bool:
        """Whether it means all addresses of this machine."""
        try:
            return ipaddress.ip_address(self.host).is_unspecified
        except ValueError:
            return False

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def is_loopback(host: str) -> bool:
    """Tell whether a host is this machine, to itself alone."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def plain_host(value: str) -> str:
    """Return a host's name or address as it is compared: lower case, no brackets, no last dot.

    Raises ValueError for what is neither.
    """
    host = value.lower()
    if host.startswith("[") and host.endswith("]"):
        return str(ipaddress.IPv6Address(host[1:-1]))
    if ":" in host:
        return str(ipaddress.IPv6Address(host))
    host = host.removesuffix(".")
    if not _NAME.fullmatch(host):
        raise ValueError(f"{value!r} is not the name of a host")
    return host


def _listen(value: object) -> Address:
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        # A TypeError would pass through pydantic as a crash.
        raise ValueError("this is not an address to listen at")  # noqa: TRY004
    host, colon, port = value.strip().rpartition(":")
    if not colon:
        host = LOOPBACK_HOST
    if not host or not _PORT.fullmatch(port) or not 1 <= int(port) <= LARGEST_PORT:
        raise ValueError(f"{value!r} is not an address to listen at")
    if ":" in host and not host.startswith("["):
        raise ValueError(f"{value!r} has an IPv6 address without brackets")
    try:
        return Address(plain_host(host), int(port))
    except ValueError:
        raise ValueError(f"{value!r} is not an address to listen at") from None


def _allowed(value: str) -> str:
    try:
        return plain_host(value)
    except ValueError:
        raise ValueError(f"{value!r} is not the name of a host, without a port") from None


Listen = Annotated[
    Address,
    BeforeValidator(_listen),
    Words("a host and a port", "such as 127.0.0.1:8765, 0.0.0.0:8765 or [::1]:8765"),
]
"""A port alone is one of the loopback."""
HostName = Annotated[
    str, AfterValidator(_allowed), Words("a name of a host", "such as nas.local or 192.0.2.7")
]


class HttpSettings(Section):
    """The API on TCP, for metrics, health checks and programs; see docs/http-api.md."""

    listen: Listen | None = Field(
        default=None,
        description="Where the daemon also listens; a port alone is one of 127.0.0.1. null: only "
        "on its Unix socket. Beyond this machine it takes a token.",
    )
    token: Annotated[Secret, Words(EXPECTED)] | None = Field(
        default=None,
        description="Where the token is kept that every change needs and, beyond this machine, "
        "every look; see Secrets. Without one, TCP only lets look.",
    )
    allowed_hosts: list[HostName] = Field(
        default=[],
        description="Names by which the daemon is reached, besides localhost and the address "
        "it listens at. Requests for other names are refused: they come from strangers' pages.",
    )

    def reveal_token(self) -> str | None:
        """Read the token, if there is one; see `Secret.reveal`.

        Raises SettingsError, also for one that could be guessed or that no header can carry.
        """
        if self.token is None:
            return None
        token = self.token.reveal()
        if len(token) < SHORTEST_TOKEN:
            raise SettingsError(
                f"http.token: the token is shorter than {SHORTEST_TOKEN} characters and could be"
                " guessed: make one with `openssl rand -hex 32`."
            )
        if not token.isascii() or not token.isprintable() or " " in token:
            raise SettingsError(
                "http.token: the token holds characters that no header can carry: make one with"
                " `openssl rand -hex 32`."
            )
        return token

    @model_validator(mode="after")
    def _guarded_beyond_this_machine(self) -> Self:
        if self.listen is not None and not self.listen.is_loopback and self.token is None:
            raise combination(
                ("listen",),
                f"{self.listen} can be reached from other machines and there is no token; "
                "expected a token with it, or 127.0.0.1",
            )
        return self
