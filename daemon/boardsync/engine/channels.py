"""Builds the channels that the settings describe."""

from __future__ import annotations

from boardsync.alarms.channel import Channel
from boardsync.alarms.command import Command
from boardsync.alarms.mail import Mail
from boardsync.alarms.message import LEVELS
from boardsync.alarms.web import Ntfy, Webhook
from boardsync.config.alarms import AlarmSettings, ChannelSettings
from boardsync.engine.clock import Clock
from boardsync.engine.outbox import Outbox
from boardsync.errors import SettingsError


def make_outboxes(settings: AlarmSettings, clock: Clock) -> list[Outbox]:
    """Build the channels of the settings. Raises SettingsError for a secret that is not there."""
    return [
        Outbox(_channel(number, one), LEVELS.index(one.at_least), one.timeout, clock)
        for number, one in enumerate(settings.channels)
    ]


def _channel(number: int, settings: ChannelSettings) -> Channel:
    if settings.command is not None:
        return Command(tuple(settings.command))
    if settings.ntfy is not None:
        return Ntfy(settings.ntfy, settings.token.reveal() if settings.token else None)
    if settings.mail is not None:
        mail = settings.mail
        password = mail.password.reveal() if mail.password else None
        return Mail(
            tuple(mail.to), mail.sender, mail.host, mail.port, mail.tls, mail.user, password,
            settings.timeout,
        )  # fmt: skip
    secret = {key: one.reveal() for key, one in settings.secret_headers.items()}
    headers = _sendable(f"alarms.channels[{number}]", {**settings.headers, **secret})
    if settings.webhook is not None:
        return Webhook(settings.webhook, headers)
    assert settings.webhook_from is not None  # noqa: S101 (exactly one is given)
    return Webhook(settings.webhook_from.reveal().strip(), headers)


def _sendable(where: str, headers: dict[str, str]) -> dict[str, str]:
    for name, value in headers.items():
        if not (value.isascii() and value.isprintable()):
            raise SettingsError(
                f"{where}: the value of the header {name} holds letters that no header can hold"
            )
    return headers
