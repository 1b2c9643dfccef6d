"""The settings of servers: one section for each kind, told apart by `kind`."""

from __future__ import annotations

from typing import Annotated, Literal, Self
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, Field, model_validator

from boardsync.config.base import Count, Flag, Name, Section, SettingsPath, combination
from boardsync.config.quantities import Interval, Words
from boardsync.config.secret import EXPECTED, Secret
from boardsync.config.times import RatesByTime, When


def http_address(value: str) -> SplitResult:
    """Check an address without ever repeating it, and take it apart: it may hold a password."""
    try:
        parts = urlsplit(value)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise ValueError("the address cannot be read") from error
    if parts.username is not None or parts.password is not None:
        raise ValueError("the address holds a user name or a password")
    if parts.scheme not in ("http", "https") or not host:
        raise ValueError("the address has no http:// or https:// with a host behind it")
    return parts


def _server_url(value: str) -> str:
    parts = http_address(value)
    if parts.query or parts.fragment or any(letter.isspace() for letter in value):
        raise ValueError("the address has more than a host, a port and a path")
    return value.rstrip("/")


ServerUrl = Annotated[
    str,
    AfterValidator(_server_url),
    Words("an address", "such as http://127.0.0.1:9090 (a login goes into email and password)"),
]


class ServerSection(Section):
    """What every kind of server can be told."""

    uploads_at_once: Count = Field(default=2, description="Uploads to this server at one time.")
    downloads_at_once: Count = Field(
        default=4, description="Downloads from this server at one time."
    )
    bandwidth_up: RatesByTime | None = Field(
        default=None,
        description="Most bytes sent to this server in a second; null is no limit. A list of rates "
        "by time is read as under `limits`.",
    )
    bandwidth_down: RatesByTime | None = Field(
        default=None,
        description="Most bytes fetched from this server in a second; null is no limit.",
    )
    quiet: list[When] = Field(
        default=[],
        description="When no transfer to or from this server starts, besides the times under "
        "`limits`.",
    )


class InvokeAISettings(ServerSection):
    """An InvokeAI server, or one account on it."""

    kind: Literal["invokeai"] = Field(description="This kind of server.")
    url: ServerUrl = Field(
        description="The server's address. A path behind a reverse proxy is kept."
    )
    email: Name | None = Field(
        default=None, description="The account, where the server runs in multi-user mode."
    )
    password: Annotated[Secret, Words(EXPECTED)] | None = Field(
        default=None, description="Where the account's password is kept; see Secrets."
    )
    connect_timeout: Interval = Field(
        default=5.0, description="Longest wait for a connection to the server."
    )
    read_timeout: Interval = Field(
        default=60.0, description="Longest silence of the server in the middle of an answer."
    )
    ca_file: SettingsPath | None = Field(
        default=None,
        description="Certificates to trust, in PEM form, where the server's own authority is "
        "not among the system's.",
    )
    verify_tls: Flag = Field(
        default=True, description="Check the server's certificate. Prefer `ca_file` to false."
    )

    @model_validator(mode="after")
    def _login_is_whole(self) -> Self:
        if self.email is not None and self.password is None:
            raise combination(("email",), "there is no password with it; expected both or none")
        if self.password is not None and self.email is None:
            raise combination(("password",), "there is no email with it; expected both or none")
        return self

    @model_validator(mode="after")
    def _certificates_are_used(self) -> Self:
        if self.ca_file is not None and not self.verify_tls:
            raise combination(
                ("ca_file",),
                "certificates are named but verify_tls is false; expected one of the two",
            )
        return self


class DirectorySettings(ServerSection):
    """A plain directory whose sub-directories are boards."""

    kind: Literal["directory"] = Field(description="This kind of server.")
    path: SettingsPath = Field(description="The directory that holds the boards.")


ServerSettings = Annotated[InvokeAISettings | DirectorySettings, Field(discriminator="kind")]
