"""The settings of limits: what all servers and mirrors together may take, and when they rest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field, PlainSerializer, PlainValidator

from boardsync.config.base import Count, Section
from boardsync.config.quantities import (
    Words,
    parse_share,
    parse_size,
    write_amount,
    write_share,
)
from boardsync.config.times import RatesByTime, When, ZoneName


@dataclass(frozen=True, slots=True)
class Floor:
    """What is to stay free on a disk: an amount, a share of the whole, or the lesser of both."""

    amount: int | None = None
    share: float | None = None

    def of(self, total: int) -> int:
        """Return how many bytes of a disk of this size are to stay free."""
        floors = [] if self.amount is None else [self.amount]
        if self.share is not None:
            floors.append(int(total * self.share))
        return min(floors, default=0)


def parse_floor(value: object) -> Floor:
    """Read a size, a share, or both with `or` between them."""
    if isinstance(value, Floor):
        return value
    parts = value.split(" or ") if isinstance(value, str) else [value]
    amounts = [parse_size(one) for one in parts if not _is_share(one)]
    shares = [parse_share(one) for one in parts if _is_share(one)]
    if len(amounts) > 1 or len(shares) > 1:
        raise ValueError(f"{value!r} is not one size and one share")
    return Floor(next(iter(amounts), None), next(iter(shares), None))


def _is_share(value: object) -> bool:
    return isinstance(value, str) and value.strip().endswith("%")


def write_floor(floor: Floor) -> str:
    """Write a floor as it is read."""
    amount = [] if floor.amount is None else [write_amount(floor.amount)]
    return " or ".join(amount + ([] if floor.share is None else [write_share(floor.share)]))


FreeDisk = Annotated[
    Floor,
    PlainValidator(parse_floor),
    PlainSerializer(write_floor),
    Words("a size or a share of the disk", "such as 10 GB, 5 %, or 1 GiB or 5 %", write_floor),
]


class LimitSettings(Section):
    """What all servers and mirrors together may take, and when they rest."""

    bandwidth_up: RatesByTime | None = Field(
        default=None,
        description="Most bytes sent in a second, to all servers together; null is no limit. In a "
        "list, the first rate whose time it is counts, and where none is there is no limit.",
    )
    bandwidth_down: RatesByTime | None = Field(
        default=None, description="The same for what is fetched from all servers together."
    )
    transfers_at_once: Count | None = Field(
        default=None,
        description="Uploads and downloads of all servers together at one time. null: only those "
        "of each server are counted.",
    )
    quiet: list[When] = Field(
        default=[],
        description="When no transfer starts. Both sides are looked at all the same, and what "
        "there is to do waits.",
    )
    timezone: ZoneName | None = Field(
        default=None,
        description="Whose clock these times are read from.",
        json_schema_extra={"default_in_words": "null, the machine's own"},
    )
    free_disk: FreeDisk | None = Field(
        default=Floor(1024**3, 0.05),
        description="What is to stay free on the disk that pictures are pulled to: with less, "
        "downloads wait, and go on by themselves. With a size and a share the lesser one counts. "
        "null: until the disk is full.",
    )
