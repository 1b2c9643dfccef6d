"""The command `boardsync`: the group, its options, and where its commands come from.

Commands are imported when they are called: `boardsync version` loads neither SQLAlchemy nor
httpx, and shell completion answers at once.
"""

from __future__ import annotations

import difflib
import importlib

import click

from boardsync import __version__
from boardsync.cli.access import Context, Wiring
from boardsync.cli.exits import MEANINGS

COMMANDS = {
    "init": ("boardsync.cli.init", "init"),
    "check": ("boardsync.cli.setup", "check"),
    "doctor": ("boardsync.cli.doctor", "doctor"),
    "bundle": ("boardsync.cli.bundle", "bundle"),
    "run": ("boardsync.cli.running", "run"),
    "once": ("boardsync.cli.running", "once"),
    "reload": ("boardsync.cli.reloading", "reload"),
    "mirror": ("boardsync.cli.quick", "mirror"),
    "plan": ("boardsync.cli.running", "plan"),
    "adopt": ("boardsync.cli.adopt", "adopt"),
    "health": ("boardsync.cli.health", "health"),
    "alarms": ("boardsync.cli.alarms", "alarms"),
    "pause": ("boardsync.cli.steering", "pause"),
    "resume": ("boardsync.cli.steering", "resume"),
    "sync": ("boardsync.cli.steering", "sync"),
    "status": ("boardsync.cli.looking", "status"),
    "why": ("boardsync.cli.looking", "why"),
    "history": ("boardsync.cli.looking", "history"),
    "again": ("boardsync.cli.again", "again"),
    "verify": ("boardsync.cli.verify", "verify"),
    "mend": ("boardsync.cli.mending", "mend"),
    "holds": ("boardsync.cli.removals", "holds"),
    "approve": ("boardsync.cli.removals", "approve"),
    "restore": ("boardsync.cli.removals", "restore"),
    "dismiss": ("boardsync.cli.removals", "dismiss"),
    "trash": ("boardsync.cli.trash", "trash"),
    "undo": ("boardsync.cli.trash", "undo"),
    "backup": ("boardsync.cli.backups", "backup"),
    "restore-state": ("boardsync.cli.backups", "restore_state"),
    "boards": ("boardsync.cli.boards", "boards"),
    "images": ("boardsync.cli.images", "images"),
    "metadata": ("boardsync.cli.metadata", "metadata"),
    "groups": ("boardsync.cli.groups", "groups"),
    "find": ("boardsync.cli.find", "find"),
    "index": ("boardsync.cli.index", "index"),
    "thumbnail": ("boardsync.cli.thumbnail", "thumbnail"),
    "service": ("boardsync.cli.service", "service"),
    "completion": ("boardsync.cli.setup", "completion"),
    "version": ("boardsync.cli.setup", "version"),
}


class LateGroup(click.Group):
    """A group that imports a command when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:  # noqa: ARG002
        if name not in COMMANDS:
            return None
        module, attribute = COMMANDS[name]
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]  # click takes it out of the list
        try:
            return super().resolve_command(ctx, args)
        except click.NoSuchOption:
            raise
        except click.UsageError as error:
            near = difflib.get_close_matches(name, COMMANDS, n=1)
            if not near:
                raise
            words = f"{error.message} Did you mean {near[0]!r}?"
            raise click.UsageError(words, ctx) from error

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Exit codes"):
            formatter.write_dl([(str(code), text) for code, text in MEANINGS.items()])


@click.group(cls=LateGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="boardsync")
@click.option("-c", "--config", metavar="FILE", help="Settings file; see `boardsync init`.")
@click.option(
    "--log-level", type=click.Choice(["debug", "info", "warning", "error"]),
    help="Override the settings' log level.",
)  # fmt: skip
@click.pass_context
def main(ctx: click.Context, config: str | None, log_level: str | None) -> None:
    """Mirror folders of pictures to boards on image servers, both ways, exactly once."""
    wiring = ctx.obj if isinstance(ctx.obj, Wiring) else None
    ctx.obj = Context(config, log_level, wiring)
