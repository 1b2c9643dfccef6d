"""The options that say how far a command goes for a picture behind a URL."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Final

import click

from boardsync.cli.numbers import Duration, Size
from boardsync.servers.elsewhere import Bounds

Command = Callable[..., Any]

MAX_BYTES: Final = "100 MiB"
MAX_TIME: Final = "2 min"


def within_bounds(command: Command) -> Command:
    """Give a command its options for URLs, and the `Bounds` they mean as `bounds`."""

    def run(
        *arguments: Any, max_bytes: int, max_time: float, allow_private_addresses: bool,
        use_proxy: bool, **options: Any,
    ) -> Any:  # fmt: skip
        bounds = Bounds(max_bytes, max_time, allow_private_addresses, use_proxy)
        return command(*arguments, bounds=bounds, **options)

    return _size(_time(_private(_proxy(functools.update_wrapper(run, command)))))


_size = click.option(
    "--max-bytes", metavar="SIZE", type=Size(), default=MAX_BYTES, show_default=True,
    help="Most that a URL may bring.",
)  # fmt: skip
_time = click.option(
    "--max-time", metavar="TIME", type=Duration(), default=MAX_TIME, show_default=True,
    help="Longest that a URL may take, from the first question to the last byte.",
)  # fmt: skip
_private = click.option(
    "--allow-private-addresses", is_flag=True,
    help="Let URLs, and where they lead on to, be of this machine and of private networks.",
)  # fmt: skip
_proxy = click.option(
    "--use-proxy", is_flag=True,
    help="Fetch URLs through the proxy that the environment names; by default none is asked.",
)  # fmt: skip
