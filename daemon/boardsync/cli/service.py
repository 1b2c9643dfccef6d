"""`boardsync service`: the daemon as a service of systemd, of the machine or of one person."""

from __future__ import annotations

import os
import pwd
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from boardsync.cli import exits
from boardsync.cli.access import Context, daemon_request, pass_context
from boardsync.cli.installing import Installation, Places, closed_to_others, program, run_command
from boardsync.cli.output import print_json, print_table, printable
from boardsync.cli.units import ACCOUNT, Unit
from boardsync.config.load import load
from boardsync.errors import BoardsyncError, NeedsPerson

F = TypeVar("F", bound=Callable[..., Any])

_INSTANCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")


def _which(command: F) -> F:
    """Add the options that say which service is meant."""
    for option in (
        click.option("--instance", metavar="NAME", help="The one of /etc/boardsync/NAME.yaml."),
        click.option("--user/--system", "user", default=None, help="Yours, or the machine's. "
                     "Without either: the machine's for root, yours for everybody else."),
    ):  # fmt: skip
        command = option(command)
    return command


@click.group()
def service() -> None:
    """Run the daemon as a service of systemd."""


@service.command()
@_which
@click.option(
    "--settings", metavar="FILE", type=click.Path(path_type=Path),
    help="Its settings; else -c, else the usual place.",
)  # fmt: skip
@click.option("--run-as", metavar="USER", help="A system service's account, instead of boardsync.")
@click.option("--now", is_flag=True, help="Start it, now and with the machine.")
@pass_context
@exits.explained
def install(
    context: Context, user: bool | None, instance: str | None, settings: Path | None,
    run_as: str | None, now: bool,
) -> None:  # fmt: skip
    """Set up the service; again, to take over what changed in the settings.

    Writes the unit, and a drop-in that lets it write to the folders of the settings and to
    nothing else. A system service gets an account of its own, boardsync.
    """
    unit = _unit(user, instance)
    if unit.user and run_as:
        raise click.UsageError("--run-as is for a service of the system.")
    installation = Installation(unit, Places.of(unit))
    installation.demand(writing=True)
    path = _settings_file(context, unit, settings)
    _demand_account(run_as)
    started = program()
    closed = None if unit.user or run_as else closed_to_others(started)
    if closed is not None:
        raise NeedsPerson(
            f"{started}: the account {ACCOUNT} cannot start it, because {closed} is closed to"
            " others. Install boardsync where everybody may read it, such as /opt, or give --run-as"
        )
    done = installation.install(started, path, run_as)
    for one in done:
        click.echo(f"Wrote {printable(one)}")
    if not done:
        click.echo(f"{unit.name} is set up already.")
    _say_what_stands_in_the_way(installation, started, path, run_as or ACCOUNT)
    if now:
        installation.start(anew=bool(done))
        click.echo(f"{unit.name} runs: {printable(installation.told().get('StatusText', ''))}")
    else:
        runs = installation.told().get("ActiveState") == "active"
        verb = "restart" if runs else "enable --now"
        click.echo(f"Next: {_sudo(unit)}systemctl {_scope(unit)}{verb} {unit.name}")
    click.echo(f"Its log: {_sudo(unit)}journalctl {_scope(unit)}-u {unit.name}")
    if unit.user:
        click.echo("It runs while you are logged in; `loginctl enable-linger` lets it run always.")


@service.command()
@_which
@exits.explained
def uninstall(user: bool | None, instance: str | None) -> None:
    """Stop the service and take away its unit; settings, state and pictures stay."""
    unit = _unit(user, instance)
    installation = Installation(unit, Places.of(unit))
    installation.demand(writing=True)
    removed = installation.remove()
    for one in removed:
        click.echo(f"Removed {printable(one)}")
    if not removed:
        click.echo(f"{unit.name} is not set up.")
    click.echo(f"The settings stay where they are, by default {printable(unit.settings)}")
    if unit.state is None:
        click.echo("The state stays where the settings say, by default ~/.local/state/boardsync")
    else:
        click.echo(f"The state stays: {unit.state}, and so does its account {ACCOUNT}")


@service.command()
@_which
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@pass_context
@exits.explained
def status(context: Context, user: bool | None, instance: str | None, as_json: bool) -> None:
    """Tell what systemd says of the service, and what the daemon says.

    Exit code 1: it does not run.
    """
    unit = _unit(user, instance)
    installation = Installation(unit, Places.of(unit))
    installation.demand(writing=False)
    told = installation.told()
    runs = told.get("ActiveState") in ("active", "reloading")
    ours, words = _daemon_s_words(installation, context.named or unit.settings)
    if as_json:
        print_json({"unit": unit.name, "systemd": told, "mirrors": ours, "remark": words})
    else:
        print_table(("systemd", unit.name), told.items())
        if ours:
            click.echo()
            print_table(("mirror", "condition"), [(m["mirror"], m["condition"]) for m in ours])
        if words:
            click.echo(f"\n{printable(words)}")
    sys.exit(exits.OK if runs else exits.FAILED)


def _unit(user: bool | None, instance: str | None) -> Unit:
    if user is None:
        user = instance is None and os.geteuid() != 0
    if instance is None:
        return Unit(user)
    if user:
        raise click.UsageError("--instance is for services of the system.")
    if not _INSTANCE.fullmatch(instance) or Unit(instance=instance).settings == Unit().settings:
        raise click.UsageError(f"--instance {instance!r}: use letters, digits, - and _.")
    return Unit(instance=instance)


def _demand_account(name: str | None) -> None:
    """Raise NeedsPerson for an account that this machine does not know."""
    try:
        if name is not None:
            pwd.getpwnam(name)
    except KeyError as error:
        raise NeedsPerson(f"--run-as {name}: there is no such account on this machine") from error


def _settings_file(context: Context, unit: Unit, given: Path | None) -> Path:
    path = (given or context.named or unit.settings).expanduser().absolute()
    if unit.instance is not None and path != unit.settings:
        raise click.UsageError(f"{unit.name} reads {unit.settings}: put the settings there.")
    return path


def _say_what_stands_in_the_way(
    installation: Installation, started: Path, path: Path, account: str
) -> None:
    """Let `check` look with the rights of the service's account: root's would tell nothing."""
    loaded = installation.load(path)
    secrets = [getattr(server, "password", None) for server in loaded.servers.values()]
    if installation.unit.user or any(one and not one.file for one in secrets):
        return  # Its person will see, or only the service is told the secret.
    code, said = run_command(
        ["runuser", "-u", account, "--", str(started), "-c", str(path), "check"]
    )
    if code != 0:
        click.echo(f"\nWhat the account {account} finds:\n{said}\n", err=True)
    if load(path).settings.state != loaded.state and path.parent != Unit().settings.parent:
        click.echo(f"Add `state: {loaded.state}` to {printable(path)}: commands look there.")


def _scope(unit: Unit) -> str:
    return "--user " if unit.user else ""


def _sudo(unit: Unit) -> str:
    return "" if unit.user else "sudo "


def _daemon_s_words(
    installation: Installation, path: Path
) -> tuple[list[dict[str, Any]] | None, str]:
    """Return how its mirrors stand, and what a person should know about it."""
    try:
        told = daemon_request(installation.load(path), "GET", "/status")
        drifted = installation.drifted(path)
    except BoardsyncError as error:
        return None, str(error)
    if not installation.unit_file.exists():
        return None, "It is not set up: `boardsync service install`."
    words = (
        "The settings name other folders by now: `boardsync service install` again."
        if drifted
        else ""
    )
    return (told or {}).get("mirrors"), words
