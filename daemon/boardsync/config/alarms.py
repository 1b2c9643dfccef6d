"""The settings of alarms: who is told, and how, when something is stuck."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from boardsync.config.base import EMPTY_LIST, Count, Name, Section, combination
from boardsync.config.quantities import Interval, Words
from boardsync.config.secret import EXPECTED, Secret
from boardsync.config.servers import ServerUrl, http_address

KINDS = ("command", "webhook", "webhook_from", "ntfy", "mail")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", re.ASCII)
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def _webhook_url(value: str) -> str:
    """Check an address without repeating it: what is behind its host may be a secret."""
    parts = http_address(value)
    if parts.fragment or not value.isprintable() or any(letter.isspace() for letter in value):
        raise ValueError("the address has more than a host, a port, a path and a query")
    return value


def _header(value: str) -> str:
    if not _TOKEN.fullmatch(value):
        raise ValueError("that is no name of a header")
    return value


def _topic_url(value: str) -> str:
    if not urlsplit(value).path.strip("/"):
        raise ValueError("the address names no topic")
    return value


def _mail_address(value: str) -> str:
    name, at, host = value.rpartition("@")
    if not (name and at and host) or not value.isascii() or not value.isprintable():
        raise ValueError(f"{value!r} is no mail address")
    if any(letter.isspace() or letter in "<>,;" for letter in value):
        raise ValueError(f"{value!r} is more than a mail address")
    return value


WebhookUrl = Annotated[
    str, AfterValidator(_webhook_url), Words("an address", "such as https://example.org/hook")
]
TopicUrl = Annotated[
    ServerUrl, AfterValidator(_topic_url), Words("an address", "such as https://ntfy.sh/topic")
]
Header = Annotated[str, AfterValidator(_header), Words("the name of a header")]
Address = Annotated[str, AfterValidator(_mail_address), Words("a mail address")]
Port = Annotated[int, Field(strict=True, ge=1, le=65_535), Words("a port from 1 to 65535")]
Source = Annotated[Secret, Words(EXPECTED)]


class MailSettings(Section):
    """A mail server, and the people who are told."""

    to: list[Address] = Field(min_length=1, description="Who is told.")
    sender: Address = Field(description="The address that mails come from.")
    host: Name = Field(description="The mail server.")
    port: Port | None = Field(
        default=None,
        description="Its port; null is 587 with `starttls`, 465 with `tls`, 25 with `none`.",
    )
    tls: Literal["starttls", "tls", "none"] = Field(
        default="starttls", description="How the connection is encrypted."
    )
    user: Name | None = Field(default=None, description="The account, where one is needed.")
    password: Source | None = Field(
        default=None, description="Where the account's password is kept; see Secrets."
    )

    @model_validator(mode="after")
    def _login_is_whole_and_encrypted(self) -> Self:
        if self.user is not None and self.password is None:
            raise combination(("user",), "there is no password with it; expected both or none")
        if self.password is not None and self.user is None:
            raise combination(("password",), "there is no user with it; expected both or none")
        if self.password is not None and self.tls == "none" and self.host not in _LOOPBACK:
            raise combination(
                ("tls",), "a password would travel in the open; expected starttls or tls"
            )
        return self


class ChannelSettings(Section):
    """One way to tell somebody: exactly one of command, webhook, webhook_from, ntfy and mail."""

    command: list[str] | None = Field(
        default=None,
        description="A program and its arguments, without a shell. It gets the alarm as JSON on "
        "its standard input, and in variables that begin with BOARDSYNC_.",
    )
    webhook: WebhookUrl | None = Field(
        default=None, description="An address that the alarm is sent to as JSON, by POST."
    )
    webhook_from: Source | None = Field(
        default=None,
        description="Where such an address is kept, when whoever knows it may send to it.",
    )
    headers: dict[Header, str] = Field(default={}, description="Headers that go with a webhook.")
    secret_headers: dict[Header, Source] = Field(
        default={},
        description="Headers that go with a webhook and are secrets, such as Authorization; "
        "see Secrets.",
    )
    ntfy: TopicUrl | None = Field(
        default=None, description="A topic of an ntfy server: the server's address, `/`, the topic."
    )
    token: Source | None = Field(
        default=None, description="Where the access token for ntfy is kept; see Secrets."
    )
    mail: MailSettings | None = Field(default=None, description="Mail.")
    at_least: Literal["information", "warning", "critical"] = Field(
        default="warning", description="What is less grave is not told on this channel."
    )
    timeout: Interval = Field(
        default=30.0, description="The longest that telling may take; then it is tried again."
    )

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        given = [name for name in KINDS if getattr(self, name) is not None]
        if len(given) != 1:
            found = " and ".join(given) or "none"
            raise combination((), f"found {found}; expected exactly one of {', '.join(KINDS)}")
        if self.command is not None and not (self.command and self.command[0].strip()):
            raise combination(("command",), "there is no program; expected one and its arguments")
        hooked = "webhook" in given[0]
        for name in ("headers", "secret_headers"):
            if getattr(self, name) and not hooked:
                raise combination((name,), "there is no webhook with it; expected one")
        if self.token is not None and self.ntfy is None:
            raise combination(("token",), "there is no ntfy with it; expected one")
        return self


class AlarmSettings(Section):
    """Who is told when something is stuck, waits for consent or is damaged."""

    most_an_hour: Count = Field(
        default=10,
        description="Most messages in an hour. What comes beyond that is gathered, and told in "
        "one message as soon as one may be sent.",
    )
    channels: Annotated[list[ChannelSettings], EMPTY_LIST] = Field(
        default=[], description="The ways to tell somebody. Without any, the log tells it."
    )
