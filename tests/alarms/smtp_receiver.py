"""A small real mail server: it takes what is sent to it, and can speak TLS or want a login."""

from __future__ import annotations

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage


@dataclass(slots=True)
class Receiver:
    """What a mail server got. said: every line from a client, as it came.

    certificate: with it, STARTTLS is offered. refusal: what is answered to a mail. logins: which
    users, and passwords, it has.
    """

    certificate: ssl.SSLContext | None = None
    refusal: str | None = None
    logins: dict[str, str] | None = None
    port: int = 0
    mails: list[EmailMessage] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async def answer(*lines: str) -> None:
            writer.write("".join(f"{line}\r\n" for line in lines).encode())
            await writer.drain()

        await answer("220 receiver")
        while line := (await reader.readline()).decode().strip():
            self.said.append(line)
            verb = line.split(" ")[0].upper()
            if verb == "EHLO":
                offers = ["receiver"] + ["STARTTLS"] * (self.certificate is not None)
                offers += ["AUTH PLAIN"] * (self.logins is not None)
                await answer(*(f"250-{one}" for one in offers), "250 8BITMIME")
            elif verb == "STARTTLS" and self.certificate is not None:
                await answer("220 go on")
                await writer.start_tls(self.certificate)
            elif verb == "AUTH":
                await answer("235 welcome" if self._knows(line) else "535 who are you?")
            elif verb == "DATA":
                await answer("354 go on")
                content = (await reader.readuntil(b"\r\n.\r\n"))[:-3]
                await answer(self.refusal or "250 taken")
                if self.refusal is None:
                    made = message_from_bytes(content, policy=policy.default)
                    assert isinstance(made, EmailMessage)
                    self.mails.append(made)
            elif verb == "QUIT":
                await answer("221 bye")
                return
            else:
                if verb == "RCPT":
                    self.recipients.append(line.partition("<")[2].rstrip(">"))
                await answer("250 ok")

    def _knows(self, line: str) -> bool:
        _, user, password = base64.b64decode(line.split(" ")[2]).decode().split("\0")
        return (self.logins or {}).get(user) == password


@asynccontextmanager
async def receiving(receiver: Receiver) -> AsyncIterator[Receiver]:
    """Run a receiver on a loopback port."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            await receiver.serve(reader, writer)
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        server.close()
        await server.wait_closed()
