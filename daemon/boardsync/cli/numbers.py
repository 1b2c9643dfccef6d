"""The numbers that people give: of runs, holds and entries of the trash."""

from __future__ import annotations

import click

NUMBER = click.IntRange(min=0, max=2**53 - 1)
"""What the API takes, too; the state holds no larger one."""
