"""How the fake InvokeAI's requests and errors look on the wire."""

from __future__ import annotations

import re
from typing import Final

from servers.fake_http import Request, Response, json_response


def refusal(status: int, detail: object) -> Response:
    """Answer with an error in the API's shape."""
    return json_response({"detail": detail}, status)


def invalid(place: str, message: str, echo: object) -> Response:
    """Answer a request that does not validate; what was sent is echoed."""
    error = {"type": "invalid", "loc": place.split("."), "msg": message, "input": echo}
    return refusal(422, [error])


NO_BOARD: Final = refusal(404, "Board not found")
NO_IMAGE: Final = refusal(404, "Not Found")


def asked_names(request: Request) -> list[str]:
    """Return the image names in a request's body."""
    names = request.json()["image_names"]
    assert isinstance(names, list)
    return [str(name) for name in names]


def readable(metadata: str | None) -> bool:
    """Tell whether the server can read stored metadata back: half surrogates stop it."""
    return metadata is None or re.search(r"\\ud[89a-f]", metadata, re.IGNORECASE) is None


def parse_form(request: Request) -> tuple[bytes, str, str | None]:
    """Return the file, its media type and the metadata field of a multipart upload."""
    boundary = request.headers["content-type"].partition("boundary=")[2].encode()
    content, media_type, metadata = b"", "", None
    for part in request.body.split(b"--" + boundary)[1:-1]:
        head, _, body = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        body = body.removesuffix(b"\r\n")
        if b'name="file"' in head:
            content, media_type = body, _media_type(head.decode())
        elif b'name="metadata"' in head:
            metadata = body.decode()
    return content, media_type, metadata


def _media_type(head: str) -> str:
    found = re.search(r"content-type:\s*([^\r\n]+)", head, re.IGNORECASE)
    return found[1].strip() if found else ""
