"""What every kind of server promises, as one suite that each kind inherits.

A kind's test class derives from `ServerContract` and has an async fixture `kind` that yields
a `Kind`: the server, and the hands of another user who works on it without boardsync. What a
kind cannot do by its capability record is skipped by asking the record, as the engine does.
"""

from __future__ import annotations

import pytest

# Failed assertions of shared behaviours are explained like those of test files.
pytest.register_assert_rewrite(
    "servers.contract_boards",
    "servers.contract_downloads",
    "servers.contract_kit",
    "servers.contract_moves",
    "servers.contract_replacing",
    "servers.contract_trash",
    "servers.contract_uploads",
)

from servers.contract_boards import LookingContract  # noqa: E402
from servers.contract_downloads import FetchingContract  # noqa: E402
from servers.contract_kit import SIZE, Kind, picture, stored, upload_of  # noqa: E402
from servers.contract_moves import MovingContract  # noqa: E402
from servers.contract_replacing import ReplacingContract  # noqa: E402
from servers.contract_trash import RemovingContract  # noqa: E402
from servers.contract_uploads import SendingContract  # noqa: E402

__all__ = ["SIZE", "Kind", "ServerContract", "picture", "stored", "upload_of"]


class ServerContract(
    LookingContract,
    SendingContract,
    FetchingContract,
    MovingContract,
    RemovingContract,
    ReplacingContract,
):
    """All of it. A kind's tests derive from this."""
