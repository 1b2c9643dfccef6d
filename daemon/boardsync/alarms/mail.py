"""Tells it by mail. smtplib blocks, so it works in a thread."""

from __future__ import annotations

import asyncio
import platform
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from boardsync.alarms.message import Message
from boardsync.errors import TryAgain

if TYPE_CHECKING:
    from email.message import EmailMessage
    from smtplib import SMTP

PORTS = {"starttls": 587, "tls": 465, "none": 25}


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail server, and who is told. seconds: the longest that it may be silent."""

    to: Sequence[str]
    sender: str
    host: str
    port: int | None = None
    tls: Literal["starttls", "tls", "none"] = "starttls"
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    seconds: float = 30.0

    @property
    def name(self) -> str:
        return f"mail by {self.host}"

    async def tell(self, message: Message) -> None:
        await asyncio.to_thread(self._send, message)

    def _send(self, message: Message) -> None:
        import smtplib

        try:
            with self._connected() as server:
                if self.user is not None:
                    server.login(self.user, self.password or "")
                server.send_message(mail_of(message, self.sender, self.to))
        except smtplib.SMTPResponseException as error:
            said = error.smtp_error.decode(errors="replace") if isinstance(
                error.smtp_error, bytes) else error.smtp_error  # fmt: skip
            raise TryAgain(f"{self.name}: it answers {error.smtp_code} {said}") from None
        except (smtplib.SMTPException, OSError, ValueError) as error:
            raise TryAgain(f"{self.name}: not sent: {error}") from None

    def _connected(self) -> SMTP:
        """Connect, encrypted as it was asked for: a server that offers less is refused."""
        import smtplib
        import ssl

        port, here = self.port or PORTS[self.tls], platform.node() or "localhost"
        if self.tls == "tls":
            return smtplib.SMTP_SSL(
                self.host, port, here, timeout=self.seconds, context=ssl.create_default_context()
            )
        server = smtplib.SMTP(self.host, port, here, timeout=self.seconds)
        try:
            if self.tls == "starttls":
                server.starttls(context=ssl.create_default_context())
        except BaseException:
            server.close()
            raise
        return server


def mail_of(message: Message, sender: str, to: Sequence[str]) -> EmailMessage:
    """Write the mail."""
    from email.message import EmailMessage
    from email.utils import formatdate, make_msgid

    mail = EmailMessage()
    mail["Subject"] = message.title
    mail["From"] = sender
    mail["To"] = ", ".join(to)
    mail["Date"] = formatdate(message.at_ms / 1000)
    mail["Message-ID"] = make_msgid(domain=sender.rpartition("@")[2])
    # So that nobody's absence notice answers.
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(message.text + "\n")
    return mail
