"""Whose pulled files are, and who may do what with them, as settings."""

from __future__ import annotations

import grp
import pwd
import re
from typing import Annotated

from pydantic import PlainSerializer, PlainValidator

from boardsync.config.quantities import Words

_OCTAL = re.compile(r"[0-7]{3,4}")
LARGEST_ID = 2**32 - 2
"""One more means `leave it`."""


def parse_mode(value: object) -> int:
    """Read permissions as octal digits. Numbers are refused: YAML reads 0640 as six hundred."""
    if not isinstance(value, str) or not _OCTAL.fullmatch(value.strip()):
        raise ValueError(f"{value!r} is not a text of octal digits")
    return int(value, 8)


def parse_file_mode(value: object) -> int:
    """Read a file's permissions: boardsync itself reads it again, so its owner must be able to."""
    mode = parse_mode(value)
    if not mode & 0o400:
        raise ValueError(f"{value!r} does not let the owner read")
    if mode > 0o777:
        raise ValueError(f"{value!r} has more than permissions to read, write and run")
    return mode


def parse_directory_mode(value: object) -> int:
    """Read a directory's permissions: its owner must be able to do everything."""
    mode = parse_mode(value)
    if mode & 0o700 != 0o700:
        raise ValueError(f"{value!r} does not let the owner list, enter and write")
    return mode


def write_mode(mode: int) -> str:
    """Write permissions as they are read."""
    return f'"{mode:04o}"'


def _account(value: object, noun: str) -> str | int:
    """Take the name or the number of a user or a group. Whether it exists is asked at the end."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ValueError(f"this is no {noun}")  # noqa: TRY004
    if isinstance(value, str):
        if not value.strip() or "\0" in value:
            raise ValueError(f"{value!r} is no {noun}")
        value = int(value) if value.isascii() and value.isdigit() else value
    if isinstance(value, int) and not 0 <= value <= LARGEST_ID:
        raise ValueError(f"{value} is no number of a {noun}")
    return value


def user_id(account: str | int) -> int | None:
    """Return the number of a user, None for one that the machine does not know by name."""
    if isinstance(account, int):
        return account
    try:
        return pwd.getpwnam(account).pw_uid
    except KeyError:
        return None


def group_id(account: str | int) -> int | None:
    """Return the number of a group, None for one that the machine does not know by name."""
    if isinstance(account, int):
        return account
    try:
        return grp.getgrnam(account).gr_gid
    except KeyError:
        return None


User = Annotated[
    str | int,
    PlainValidator(lambda value: _account(value, "user")),
    Words("a user", "by name or number"),
]
Group = Annotated[
    str | int,
    PlainValidator(lambda value: _account(value, "group")),
    Words("a group", "by name or number"),
]
FileMode = Annotated[
    int,
    PlainValidator(parse_file_mode),
    PlainSerializer(write_mode),
    Words("permissions", 'such as "0640"', write_mode),
]
DirectoryMode = Annotated[
    int,
    PlainValidator(parse_directory_mode),
    PlainSerializer(write_mode),
    Words("permissions", 'such as "0750" or "2770"', write_mode),
]
