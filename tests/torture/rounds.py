"""Rounds: work on both sides, a kill; after some of them, peace, and a look at what is there."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from torture.aims import aim_and_kill
from torture.daemons import DaemonEndedError
from torture.findings import Finding, Kind
from torture.world import Look, World

WORK_SECONDS = 1.5
"""How long the hands work in a round, about as long as the daemon lives in it."""
RECOVERY_SECONDS = 120.0
"""Whoever is not in step after so long is stuck."""


@dataclass(slots=True)
class Report:
    """What came of it. aims: how often a kill struck at which moment. faults: of the network.

    items, old: on the board at the last look, and how many of them are old versions.
    """

    kills: int = 0
    aims: Counter[str] = field(default_factory=Counter)
    recoveries: list[float] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    faults: Counter[str] = field(default_factory=Counter)
    pictures: int = 0
    items: int = 0
    old: int = 0

    @property
    def broken(self) -> bool:
        """Whether going on would tell nothing new. What is left behind harms nobody yet."""
        return any(finding.kind is not Kind.LITTER for finding in self.findings)

    def saw(self, look: Look) -> None:
        """Take what a look found; litter that has gone since the last one counts no more."""
        kept = [finding for finding in self.findings if finding.kind is not Kind.LITTER]
        self.findings = [*kept, *look.findings]
        self.items, self.old = look.items, look.old

    def count(self, kind: Kind) -> int:
        """Return how many things of a kind are wrong."""
        return sum(1 for finding in self.findings if finding.kind is kind)


@dataclass(frozen=True, slots=True)
class Plan:
    """How long to go on: so many kills, or so many minutes, whichever comes first.

    every: kills between two looks.
    """

    kills: int
    minutes: float
    every: int = 5


def torture(world: World, plan: Plan, tell: Callable[[str], None]) -> Report:
    """Kill again and again; stop at the first look that finds more than litter."""
    report = Report()
    end = time.monotonic() + plan.minutes * 60
    try:
        while report.kills < plan.kills and time.monotonic() < end and not report.broken:
            for _ in range(min(plan.every, plan.kills - report.kills)):
                _kill_once(world, report)
            _recover(world, report)
            tell(_progress(report))
    except DaemonEndedError as error:
        report.findings.append(Finding(Kind.STUCK, str(error)))
    except FileNotFoundError as error:
        report.findings.append(Finding(Kind.LOSS, f"it vanished between two changes: {error}"))
    finally:
        world.close()
    report.pictures = world.ledger.pictures
    report.faults += world.faults
    return report


def _kill_once(world: World, report: Report) -> None:
    world.disturb()
    world.hands.work(WORK_SECONDS)
    report.aims[aim_and_kill(world.daemon, world.aims.choose())] += 1
    report.kills += 1


def _recover(world: World, report: Report) -> None:
    """Let the daemon come to rest by itself, then look at both sides."""
    world.hands.rest()
    world.calm()
    world.daemon.start()
    seconds = world.daemon.wait_until_synced(world.ledger.pairs, RECOVERY_SECONDS)
    if seconds is None:
        said = {key: value for key, value in world.daemon.status().items() if value}
        words = f"not in step within {RECOVERY_SECONDS:.0f} s; {world.ledger.pairs} files: {said}"
        report.findings.append(Finding(Kind.STUCK, words))
    else:
        report.recoveries.append(seconds)
    report.saw(world.look())


def _progress(report: Report) -> str:
    last = f"{report.recoveries[-1]:.1f} s" if report.recoveries else "-"
    return f"{report.kills} kills, in step again after {last}, {len(report.findings)} findings"
