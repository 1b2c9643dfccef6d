"""What of a picture's metadata may travel: whose camera it was, and where, is left out.

Pure: bytes in, bytes out, and no pixel is encoded anew. What is kept is listed, so that what
nobody has heard of goes as well: serial numbers hide in a thousand places. Texts that tell how a
picture was generated are kept.
"""

from __future__ import annotations

from boardsync.formats.kept.containers import CLEANED, without_private

__all__ = ["CLEANED", "without_private"]
