"""The fake InvokeAI answers as the real one does, as far as anybody here looks at it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx
import pytest

from real.invokeai_server import RealInvokeAI
from servers.fake_invokeai import FakeInvokeAI
from servers.invokeai_kit import noisy_png, png

pytestmark = pytest.mark.real

UPLOAD = "/images/upload?image_category=user&is_intermediate=false"
LACKING = {"user_id", "deleted_at", "cover_video_name", "video_count", "strict_password_checking"}
LACKING |= {"admin_email", "failed_images", "deleted_board_videos", "deleted_videos"}
LACKING |= {"failed_videos"}
"""Fields that the fake leaves out because nothing here reads them."""


@dataclass(frozen=True)
class Ask:
    """One request. BOARD and IMAGE in it stand for ids of the server that is asked."""

    method: str
    path: str
    body: object = None
    upload: bytes | None = None
    media_type: str = "image/png"
    metadata: str | None = None


ASKS = [
    Ask("GET", "/app/version"),
    Ask("GET", "/auth/status"),
    Ask("GET", "/health"),
    Ask("GET", "/boards"),
    Ask("POST", "/images"),
    Ask("GET", "/boards/?all=true&include_archived=true"),
    Ask("GET", "/boards/"),
    Ask("GET", "/boards/BOARD"),
    Ask("GET", "/boards/none"),
    Ask("GET", "/boards/nope"),
    Ask("GET", "/boards/nope/image_names"),
    Ask("GET", "/boards/none/image_names?is_intermediate=false"),
    Ask("GET", "/boards/BOARD/image_names?is_intermediate=false"),
    Ask("POST", "/boards/?board_name=second"),
    Ask("POST", "/boards/?board_name=" + "x" * 301),
    Ask("PATCH", "/boards/BOARD", {"archived": True}),
    Ask("PATCH", "/boards/BOARD", {"is_private": True}),
    Ask("PATCH", "/boards/nope", {"archived": True}),
    Ask("DELETE", "/boards/nope"),
    Ask("GET", "/images/i/IMAGE"),
    Ask("GET", "/images/i/nope.png"),
    Ask("GET", "/images/i/a%2Fb.png"),
    Ask("GET", "/images/i/IMAGE/metadata"),
    Ask("GET", "/images/i/nope.png/metadata"),
    Ask("GET", "/images/i/IMAGE/workflow"),
    Ask("GET", "/images/i/IMAGE/full"),
    Ask("GET", "/images/i/nope.png/full"),
    Ask("GET", "/images/i/IMAGE/thumbnail"),
    Ask("GET", "/images/?board_id=BOARD&limit=1&starred_first=false"),
    Ask("GET", "/images/?limit=0"),
    Ask("GET", "/images/?limit=1001"),
    Ask("GET", "/images/names?board_id=BOARD&search_term=NEEDLE&image_origin=external"),
    Ask("GET", "/images/names?search_term=nothing%20like%20this"),
    Ask("POST", "/images/images_by_names", {"image_names": ["IMAGE", "nope.png"]}),
    Ask("POST", "/images/images_by_names", {"image_names": ["x"] * 1001}),
    Ask("POST", "/images/star", {"image_names": ["IMAGE", "nope.png"]}),
    Ask("POST", "/images/unstar", {"image_names": ["IMAGE"]}),
    Ask("POST", "/board_images/", {"board_id": "BOARD", "image_name": "IMAGE"}),
    Ask("POST", "/board_images/", {"board_id": "nope", "image_name": "IMAGE"}),
    Ask("POST", "/board_images/", {"board_id": "BOARD", "image_name": "nope.png"}),
    Ask("POST", "/board_images/batch", {"board_id": "BOARD", "image_names": ["IMAGE", "no"]}),
    Ask("POST", "/board_images/batch", {"board_id": "nope", "image_names": ["IMAGE"]}),
    Ask("POST", "/board_images/batch/delete", {"image_names": ["IMAGE", "nope.png"]}),
    Ask("POST", "/images/delete", {"image_names": ["IMAGE", "nope.png"]}),
    Ask("DELETE", "/images/i/IMAGE"),
    Ask("DELETE", "/images/i/nope.png"),
    Ask("DELETE", "/boards/BOARD?include_images=true"),
    Ask("DELETE", "/boards/BOARD"),
    Ask("POST", UPLOAD, upload=png()),
    Ask("POST", UPLOAD + "&board_id=BOARD", upload=png(), metadata='{"a": 1}'),
    Ask("POST", UPLOAD + "&board_id=nope", upload=png()),
    Ask("POST", UPLOAD, upload=png(), metadata="[1]"),
    Ask("POST", UPLOAD, upload=png(), metadata="x" * 1_100_000),
    Ask("POST", UPLOAD, upload=b"junk"),
    Ask("POST", UPLOAD, upload=png(), media_type="text/plain"),
    Ask("POST", UPLOAD, upload=noisy_png()[:9000]),
    Ask("POST", "/images/upload", upload=png()),
    Ask("POST", "/auth/login", {"email": "a@b.lan", "password": "x"}),
]


class Asker:
    """Puts questions to one server, each to a fresh board with one image, and one off it."""

    def __init__(self, url: str) -> None:
        self._http = httpx.AsyncClient(base_url=f"{url}/api/v1", timeout=60)

    async def answer(self, ask: Ask) -> tuple[int, str, object]:
        """Return status, media type and the shape of the body."""
        made = await self._http.post("/boards/", params={"board_name": "first"})
        board = made.json()["board_id"]
        image = await self._upload(f"{UPLOAD}&board_id={board}", png(), metadata='{"x": "needle"}')
        await self._upload(UPLOAD, png())
        names = {"BOARD": board, "IMAGE": image.json()["image_name"]}
        path = _filled(ask.path, names)
        if ask.upload is not None:
            answer = await self._upload(path, ask.upload, ask.media_type, ask.metadata)
        else:
            body = json.loads(_filled(json.dumps(ask.body), names))
            answer = await self._http.request(ask.method, path, json=body)
        media_type = answer.headers.get("content-type", "").split(";")[0]
        shape = _shape(answer.json()) if media_type == "application/json" else None
        return answer.status_code, media_type, shape

    async def aclose(self) -> None:
        await self._http.aclose()

    async def _upload(
        self, path: str, content: bytes, media_type: str = "image/png", metadata: str | None = None
    ) -> httpx.Response:
        fields = {} if metadata is None else {"metadata": metadata}
        files = {"file": ("x", content, media_type)}
        return await self._http.post(path, files=files, data=fields)


@pytest.fixture
async def real(invokeai: RealInvokeAI) -> AsyncIterator[Asker]:
    asker = Asker(invokeai.url)
    yield asker
    await asker.aclose()


@pytest.fixture
async def fake() -> AsyncIterator[Asker]:
    async with FakeInvokeAI() as server:
        asker = Asker(server.url)
        yield asker
        await asker.aclose()


@pytest.mark.parametrize("ask", ASKS, ids=lambda ask: f"{ask.method} {ask.path[:60]}")
async def test_the_fake_answers_like_the_real_server(ask: Ask, real: Asker, fake: Asker) -> None:
    assert await fake.answer(ask) == await real.answer(ask)


def _filled(text: str, names: dict[str, str]) -> str:
    for word, name in names.items():
        text = text.replace(word, name)
    return text


def _shape(value: object) -> object:
    """Return the keys of objects, the shape of a list's first entry, and types of the rest."""
    if isinstance(value, dict):
        if isinstance(value.get("detail"), list):
            return "validation error"
        return {key: _shape(entry) for key, entry in value.items() if key not in LACKING}
    if isinstance(value, list):
        return [_shape(entry) for entry in value[:1]]
    return type(value).__name__
