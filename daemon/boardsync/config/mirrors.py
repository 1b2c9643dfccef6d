"""The settings of mirrors: a folder, where it goes, which way, and how patiently."""

from __future__ import annotations

import os
import re
from datetime import date, datetime, time
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal, Self

import pathspec
from pydantic import AfterValidator, Field, PlainValidator, model_validator

from boardsync.config.base import (
    EMPTY_SECTION,
    Count,
    Flag,
    Name,
    Section,
    SettingsPath,
    combination,
)
from boardsync.config.ownership import DirectoryMode, FileMode, Group, User
from boardsync.config.preparing import PrepareSettings, too_few_bytes
from boardsync.config.quantities import Duration, Interval, Share, Size, Words
from boardsync.model import Category, Direction
from boardsync.plan import naming
from boardsync.plan.layout import Layout
from boardsync.plan.links import WhenBothChanged, WhenChanged, WhenDeleted
from boardsync.plan.sidecars import Kind


def _pattern(value: str) -> str:
    """Refuse a rule that does not compile, or that could never match anything."""
    try:
        spec = pathspec.GitIgnoreSpec.from_lines([value])
    except (ValueError, re.error) as error:
        raise ValueError(f"{value!r} is not a rule") from error
    if not any(pattern.regex for pattern in spec.patterns):
        raise ValueError(f"{value!r} is a rule that matches nothing")
    return value


def _folder_inside(value: str) -> str:
    """Check a folder that has to lie below the mirror's, and write it without a slash behind."""
    path = PurePosixPath(value)
    if path.is_absolute() or ".." in path.parts or not path.parts or "\0" in value:
        raise ValueError(f"{value!r} does not name a folder inside the mirror's folder")
    return str(path)


def _moment(value: object) -> datetime:
    """Read a day or a time. Without a zone it is this machine's local time."""
    if isinstance(value, datetime):
        moment = value
    elif isinstance(value, date):
        moment = datetime.combine(value, time.min)
    elif isinstance(value, str):
        moment = _read_moment(value)
    else:
        # A TypeError would pass through pydantic as a crash.
        raise ValueError("what is given is not a date")  # noqa: TRY004
    return moment if moment.tzinfo else moment.astimezone()


def _read_moment(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise ValueError(f"{text!r} is not a date") from error


def _name_template(value: str) -> str:
    """Check a template for names, down to what no value could make safe."""
    naming.parse(value)
    return value


NameTemplate = Annotated[
    str,
    AfterValidator(_name_template),
    Words("a template for names", 'such as "{date:%Y-%m}/{board}-{seed}-{prompt:5}"'),
]
Pattern = Annotated[str, AfterValidator(_pattern), Words("a rule", "as in .gitignore")]
FolderInside = Annotated[
    str,
    AfterValidator(_folder_inside),
    Words("a relative path", "without '..', not the folder itself"),
]
Since = Annotated[
    datetime,
    PlainValidator(_moment),
    Words("a date or time", "such as 2026-01-31 or 2026-01-31T08:00:00Z"),
]
"""Always with a zone."""


class UploadSettings(Section):
    """How pictures are stored on the server."""

    category: Category = Field(
        default=Category.USER,
        description="InvokeAI's category of uploads: `general` is its Images tab, the others "
        "are its Assets tab.",
    )
    name_in_mark: Flag = Field(
        default=False,
        description="Write the file's name into the picture's mark. Marks travel with pictures "
        "that are shared.",
    )


class PullSettings(Section):
    """What is brought down from the board, and where it goes."""

    into: FolderInside = Field(
        default="outputs",
        description="Where pulled pictures go, below the folder, or below each subfolder with "
        "`boards: by-subfolder`. Nothing is pushed from there.",
    )
    name: NameTemplate | None = Field(
        default=None,
        description="How pulled files are called, below `into`: a template over `{date}`, "
        "`{board}`, `{item}`, `{prompt}`, `{seed}`, `{model}`, `{size}` and `{counter}`, see "
        "[pulling.md](pulling.md). null: as the server calls them. What was pulled before keeps "
        "its name.",
    )
    categories: Annotated[list[Category], Field(min_length=1)] = Field(
        default=[Category.GENERAL],
        description="InvokeAI's categories that are pulled. Intermediate pictures never are.",
    )
    marked: Flag = Field(
        default=False, description="Also pull pictures that boardsync itself once uploaded."
    )
    starred_only: Flag = Field(default=False, description="Pull starred pictures only.")
    search: Name | None = Field(
        default=None, description="Pull only what the server finds for this text."
    )
    since: Since | None = Field(
        default=None,
        description="Pull only what was made at this time or later. Without a zone it is this "
        "machine's time.",
    )
    sidecar: Kind | None = Field(
        default=None,
        description="Write a file beside each picture that is pulled, such as `a.png.json`, with "
        "how it was generated and where it is from: `json` or `xmp`. null: none.",
    )
    owner: User | None = Field(
        default=None,
        description="The user whom pulled files, and the folders made for them, are given to. Only "
        "an administrator's boardsync may do that. null: who runs boardsync.",
    )
    group: Group | None = Field(
        default=None,
        description="The group that they are given to; without an administrator's rights one that "
        "boardsync's user is in. null: as new files get it.",
    )
    file_mode: FileMode | None = Field(
        default=None,
        description="The permissions of pulled files, in octal. null: as the umask leaves them.",
    )
    directory_mode: DirectoryMode | None = Field(
        default=None,
        description="The permissions of folders that are made for them. null: as the umask leaves "
        "them.",
    )


class SettleSettings(Section):
    """How long a file has to be quiet before it counts as finished."""

    quiet: Duration = Field(
        default=2.0, description="For formats whose end can be recognised, such as PNG and JPEG."
    )
    quiet_uncertain: Duration = Field(
        default=10.0, description="For formats without a mark at their end."
    )
    rewrite: Duration = Field(
        default=30.0, description="For a file that was sent before and is being written again."
    )
    removal: Duration = Field(
        default=10.0,
        description="Nothing more may have vanished for this long before a deletion is acted on.",
    )
    confirm: Duration = Field(
        default=20.0,
        description="The server is asked twice, this far apart, for an item that vanished.",
    )


class PolicySettings(Section):
    """What happens to one side of a picture when the other one was deleted or changed."""

    file_deleted: WhenDeleted = Field(
        default=WhenDeleted.KEEP,
        description="A file was deleted: `keep` the item on the board, or put it into the "
        "server's `trash`.",
    )
    item_deleted: WhenDeleted = Field(
        default=WhenDeleted.KEEP,
        description="An item was deleted on the board, or moved away: `keep` the file, or put it "
        "into the local `trash`.",
    )
    content_changed: WhenChanged = Field(
        default=WhenChanged.REPLACE,
        description="A file's content changed: the new version is sent, and the old item, if it "
        "is ours and not starred, goes to the trash (`replace`) or stays (`keep`).",
    )
    both_changed: WhenBothChanged = Field(
        default=WhenBothChanged.BOTH,
        description="Both sides changed, where items can change at all: `keep-both`, the file "
        "under a conflict name; or one side wins, and the other goes to the trash.",
    )
    same_picture: Literal["one", "each"] = Field(
        default="one",
        description="The same picture at two paths of one board: `one` item for both, or `each` "
        "its own.",
    )


class GuardSettings(Section):
    """From how many deletions on boardsync asks before it passes them on, in any 24 hours."""

    enabled: Flag = Field(default=True, description="false: deletions are never held.")
    share: Share = Field(
        default=0.10, description="Held from this share of the mirror's pictures on..."
    )
    least: Count = Field(default=10, description="...if they are at least so many.")
    most: Count = Field(default=1000, description="Held from so many on in any case.")
    whole: Flag = Field(
        default=True, description="Hold when all pictures of a board or a subfolder are deleted."
    )


class TrashSettings(Section):
    """Where what is removed goes, and for how long."""

    keep: Interval | None = Field(
        default=30 * 86_400.0, description="After this long it is deleted. null: never."
    )
    folder: SettingsPath | None = Field(
        default=None,
        description="Where removed files go: on the same filesystem, outside the mirror's folder.",
        json_schema_extra={
            "default_in_words": "`.boardsync-trash` beside the folder, or hidden inside it where "
            "that is another filesystem"
        },
    )


def _name_of(data: dict[str, Any]) -> Any:
    return data["name"]


def _default_board(data: dict[str, Any]) -> Any:
    return data["name"] if data["boards"] else None


class MirrorSettings(Section):
    """One folder and one board, or a folder whose subfolders are boards."""

    name: Name = Field(description="What people call this mirror. It may be changed.")
    id: Name = Field(
        default_factory=_name_of,
        description="What this mirror is remembered by, in the state and in marks. Write it "
        "down before changing the name: with another id everything is new.",
        json_schema_extra={"default_in_words": "the name"},
    )
    folder: SettingsPath = Field(description="The local folder.")
    server: Name = Field(description="The server, by its name under `servers`.")
    board: Name | None = Field(
        default=None,
        description="The board for the whole folder, by name, or by id where several boards have "
        "that name. `none` is InvokeAI's place for pictures without a board. This or "
        "`boards`.",
    )
    boards: Literal["by-subfolder"] | None = Field(
        default=None,
        description="`by-subfolder`: each subfolder directly in the folder is a board of its "
        "own name. This or `board`.",
    )
    default_board: Name | None = Field(
        default_factory=_default_board,
        description="With `boards: by-subfolder`, the board for files in no subfolder.",
        json_schema_extra={"default_in_words": "the mirror's name"},
    )
    create_board: Flag = Field(
        default=True, description="Make a board that is not there; false waits for a person."
    )
    direction: Direction = Field(
        default=Direction.BOTH,
        description="`push` sends files, `pull` brings new pictures down, `both` does both.",
    )
    include: list[Pattern] = Field(
        default=[],
        description="If given, only files that match one of these rules are pushed.",
    )
    ignore: list[Pattern] = Field(
        default=[], description="Files that match these rules are never pushed."
    )
    upload: Annotated[UploadSettings, EMPTY_SECTION] = Field(
        default=UploadSettings(), description="How pictures are stored."
    )
    prepare: Annotated[PrepareSettings, EMPTY_SECTION] = Field(
        default=PrepareSettings(), description="What is made of pictures before they are sent."
    )
    pull: Annotated[PullSettings, EMPTY_SECTION] = Field(
        default=PullSettings(), description="What is pulled, and to where."
    )
    settle: Annotated[SettleSettings, EMPTY_SECTION] = Field(
        default=SettleSettings(), description="When a file counts as finished."
    )
    policies: Annotated[PolicySettings, EMPTY_SECTION] = Field(
        default=PolicySettings(), description="What deletions and changes do to the other side."
    )
    guard: Annotated[GuardSettings, EMPTY_SECTION] = Field(
        default=GuardSettings(), description="When deletions wait for consent."
    )
    trash: Annotated[TrashSettings, EMPTY_SECTION] = Field(
        default=TrashSettings(), description="Where removed pictures go."
    )
    watch: Literal["auto", "native", "polling"] = Field(
        default="auto",
        description="How changes are noticed: `native` is the kernel's notification, `polling` "
        "looks at the folder again and again, `auto` polls network filesystems only.",
    )
    poll_interval: Interval = Field(
        default=10.0, description="Time between two looks at the folder when polling."
    )
    max_pixels: Count = Field(
        default=178_956_970, description="Larger pictures are refused before they are decoded."
    )
    max_bytes: Size = Field(
        default=512 * 1024**2, description="Larger files are refused before they are read."
    )

    @property
    def layout(self) -> Layout:
        """Which board a path belongs to, and where pulled files go."""
        into = os.fsencode(self.pull.into) if self.direction.pulls else None
        return Layout(by_subfolder=self.boards is not None, pull_into=into)

    @model_validator(mode="after")
    def _one_kind_of_target(self) -> Self:
        if self.board is not None and self.boards is not None:
            raise combination(("boards",), "there is a board, too; expected one of the two")
        if self.board is None and self.boards is None:
            raise combination((), "there is neither board nor boards; expected one of the two")
        return self

    @model_validator(mode="after")
    def _preparing_fits_the_mirror(self) -> Self:
        if self.prepare.asks and not self.direction.pushes:
            raise combination(
                ("prepare",), "this mirror only pulls and sends nothing; expected no such section"
            )
        if self.prepare.fit_bytes is not None and self.prepare.fit_bytes >= self.max_bytes:
            text = too_few_bytes(self.prepare.fit_bytes, self.max_bytes)
            raise combination(("prepare", "fit_bytes"), text)
        return self

    @model_validator(mode="after")
    def _policies_fit_the_direction(self) -> Self:
        """A mirror never removes anything from the side that it does not write to."""
        if self.policies.file_deleted is WhenDeleted.TRASH and not self.direction.pushes:
            raise combination(
                ("policies", "file_deleted"),
                "this mirror only pulls and changes nothing on the server; expected keep",
            )
        if self.policies.item_deleted is WhenDeleted.TRASH and not self.direction.pulls:
            raise combination(
                ("policies", "item_deleted"),
                "this mirror only pushes and changes no file; expected keep",
            )
        return self

    @model_validator(mode="after")
    def _default_board_goes_with_boards(self) -> Self:
        if self.boards is None and self.default_board is not None:
            raise combination(
                ("default_board",),
                "there is one board for the whole folder; expected this with boards: by-subfolder",
            )
        if self.boards is not None and self.default_board is None:
            raise combination(
                ("default_board",),
                "files in no subfolder would have no board; expected the name of a board",
            )
        return self
