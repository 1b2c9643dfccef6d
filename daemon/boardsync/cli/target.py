"""Which server a command works on: one of the settings, or any InvokeAI by its address.

Commands stay plain functions: what they ask of the server runs in `Target.run`, and what
they ask of a person happens between two runs, where Ctrl-C ends it at once.
"""

from __future__ import annotations

import asyncio
import difflib
import functools
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

import click

from boardsync.cli.access import Context, pass_context
from boardsync.cli.exits import explained
from boardsync.config.model import DirectorySettings, InvokeAISettings, ServerSettings
from boardsync.config.values import from_values
from boardsync.errors import SettingsError
from boardsync.servers.invokeai import InvokeAIClient

Result = TypeVar("Result")
Command = Callable[..., Any]

JSON: Final = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@dataclass(frozen=True, slots=True)
class Target:
    """The InvokeAI server that a command works on."""

    name: str
    settings: InvokeAISettings

    def run(self, work: Callable[[InvokeAIClient], Awaitable[Result]]) -> Result:
        """Let `work` talk to the server; the connection is closed afterwards."""

        async def connected() -> Result:
            async with self._client() as client:
                return await work(client)

        return asyncio.run(connected())

    def _client(self) -> InvokeAIClient:
        settings = self.settings
        return InvokeAIClient(
            self.name,
            settings.url,
            email=settings.email,
            password=settings.password.reveal() if settings.password else None,
            connect_timeout=settings.connect_timeout,
            read_timeout=settings.read_timeout,
            ca_file=settings.ca_file,
            verify_tls=settings.verify_tls,
        )


def on_invokeai(command: Callable[..., int | None]) -> Command:
    """Give a command `--server` and `--url`, and the `Target` they mean as its first argument.

    The command returns its exit code; None is success.
    """

    def run(context: Context, server: str | None, url: str | None, **options: Any) -> None:
        code = command(invokeai_target(context, server, url), **options)
        if code:
            raise SystemExit(code)

    wrapper = functools.update_wrapper(run, command)
    return server_options(pass_context(explained(wrapper)))


def server_options(command: Command) -> Command:
    """Add `--server` and `--url` to a command."""
    url = click.option(
        "--url", metavar="URL", help="An InvokeAI server by its address, without any settings."
    )
    server = click.option(
        "--server", metavar="NAME",
        help="A server of the settings; not needed when there is one InvokeAI server.",
    )  # fmt: skip
    decorated: Command = server(url(command))
    return decorated


def invokeai_target(context: Context, server: str | None, url: str | None) -> Target:
    """Return the InvokeAI server that is meant.

    Raises SettingsError when the settings have none, UsageError when they do not tell which.
    """
    name, settings = chosen(context, server, url)
    if isinstance(settings, DirectorySettings):
        raise click.UsageError(
            f"Server {name!r} is a directory, and this command works on InvokeAI servers: its "
            f"boards and pictures are the folders and files in {settings.path}."
        )
    return Target(name, settings)


def chosen(context: Context, server: str | None, url: str | None) -> tuple[str, ServerSettings]:
    """Return the name and the settings of the server that is meant, of whichever kind.

    Raises like `invokeai_target`, and UsageError for an unknown name or an unusable URL.
    """
    if server is not None and url is not None:
        raise click.UsageError("--server and --url both name a server: give one of them.")
    if url is not None:
        context.configure_logging(None)
        return _by_address(url)
    servers = context.settings().servers
    if server is None:
        return _only_one(context, servers)
    if server not in servers:
        raise click.UsageError(_unknown(server, servers))
    return server, servers[server]


def _by_address(url: str) -> tuple[str, InvokeAISettings]:
    try:
        settings = from_values({"servers": {"url": {"kind": "invokeai", "url": url}}})
    except SettingsError as error:
        # Not chained: the address may hold a password.
        raise click.UsageError(f"--url cannot be used: {error}") from None
    (server,) = settings.servers.values()
    assert isinstance(server, InvokeAISettings)  # noqa: S101
    return urlsplit(server.url).netloc, server


def _only_one(
    context: Context, servers: Mapping[str, ServerSettings]
) -> tuple[str, ServerSettings]:
    """Return the only InvokeAI server, or else the only server there is."""
    invokeai = {name: one for name, one in servers.items() if isinstance(one, InvokeAISettings)}
    fitting = list((invokeai or servers).items())
    if not fitting:
        raise SettingsError(
            f"{context.config_path}: no server is set: add one under `servers`, or give --url."
        )
    if len(fitting) > 1:
        names = ", ".join(name for name, _ in fitting)
        raise click.UsageError(f"Several servers are set: choose with --server one of {names}.")
    return fitting[0]


def _unknown(server: str, servers: Mapping[str, ServerSettings]) -> str:
    near = difflib.get_close_matches(server, servers, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(servers) or 'none'}."
    return f"No server of the settings is named {server!r}: {hint}"
