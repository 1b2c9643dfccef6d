"""How the API describes itself: what every question may be answered with, and who may ask."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel

from boardsync.web.guard import READS


class Problem(BaseModel):
    """Why something was not done, in words."""

    detail: str


_MEANINGS = {
    400: "The request is no HTTP, or its address holds a token.",
    401: "The token is missing or wrong.",
    403: "Asked for under another name or by another page, or a change without any token set.",
    404: "The settings know nothing of this name.",
    405: "Nothing answers this method here.",
    408: "The body did not arrive in time.",
    409: "It cannot be done; a person is needed.",
    413: "The body is too large.",
    431: "The address and the headers are too large.",
    503: "It cannot be done now, and heals by itself; or too much is asked at one time.",
}
REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {"model": Problem, "description": meaning} for status, meaning in _MEANINGS.items()
}


def describe(app: FastAPI) -> None:
    """Let the description say, too, that changes need the token."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _with_token(
                get_openapi(title=app.title, version=app.version, routes=app.routes)
            )
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _with_token(description: dict[str, Any]) -> dict[str, Any]:
    schemes = description.setdefault("components", {}).setdefault("securitySchemes", {})
    schemes["token"] = {"type": "http", "scheme": "bearer"}
    for operations in description["paths"].values():
        for method, operation in operations.items():
            if method.upper() not in READS:
                operation["security"] = [{"token": []}]
    return description
