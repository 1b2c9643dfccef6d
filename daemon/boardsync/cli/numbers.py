"""What people give on the command line as numbers: of runs and holds, times and sizes."""

from __future__ import annotations

from typing import Any

import click

from boardsync.config.quantities import parse_interval, parse_size

NUMBER = click.IntRange(min=0, max=2**53 - 1)
"""What the API takes, too; the state holds no larger one."""


class Duration(click.ParamType[float]):
    """A time as the settings write it: `30 min`, `2h`."""

    name = "duration"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        try:
            return parse_interval(value)
        except ValueError as error:
            self.fail(f"{error}; expected a time such as 30min or 2h", param, ctx)


class Size(click.ParamType[int]):
    """A number of bytes as the settings write it: `100 MiB`, or digits alone."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        digits = isinstance(value, str) and value.isascii() and value.isdigit()
        try:
            return parse_size(int(value) if digits else value)
        except ValueError as error:
            self.fail(f"{error}; expected a size such as 100MiB or bytes", param, ctx)
