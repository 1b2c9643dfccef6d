"""Guards: how many removals are too many to be made without asking.

A guard counts before the first removal, for one side of one mirror, and over what was removed
in the last 24 hours too: a thousand deletions in a hundred passes are a thousand deletions.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

Group = TypeVar("Group", bound=Hashable)

WINDOW_MS = 24 * 3600 * 1000
WHOLE_LEAST = 2
"""A board or subfolder of one picture is not a mass."""


@dataclass(frozen=True, slots=True)
class Guard:
    """From how many removals on they wait for consent. share: of the side's pictures, 0 to 1."""

    enabled: bool = True
    share: float = 0.10
    least: int = 10
    most: int = 1000
    whole: bool = True


def why_held(
    guard: Guard,
    groups: Sequence[Group],
    totals: Mapping[Group, int],
    removed: int,
) -> str | None:
    """Say why removals have to wait for consent; None when they may be made.

    groups: for each planned removal, the board or subfolder it is in. totals: how many linked
    pictures each of those held before. removed: how many went in the last 24 hours.
    """
    if not guard.enabled or not groups:
        return None
    count, everything = len(groups) + removed, sum(totals.values()) + removed
    recent = f", with {removed} of the last 24 hours" if removed else ""
    if count >= guard.most:
        return f"{count} pictures{recent}; {guard.most} are held"
    if count >= guard.least and count >= guard.share * everything:
        percent = round(100 * count / max(1, everything))
        return f"{count} of {everything} pictures{recent}, {percent} %"
    if guard.whole:
        for group, planned in Counter(groups).items():
            if planned >= max(WHOLE_LEAST, totals.get(group, 0)):
                return f"all {planned} pictures of one board or subfolder"
    return None
