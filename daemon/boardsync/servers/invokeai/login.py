"""Signing in to a multiuser server: one token, renewed by use, fetched anew when it ends.

Credentials are sent only after the server said that it wants a login, and only to the
login address of the configured URL.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from boardsync.errors import NotAuthorised
from boardsync.servers.invokeai.answers import JSON, Answer, error_of

REFRESHED = "x-refreshed-token"


@dataclass(frozen=True, slots=True)
class Credentials:
    """An account on a multiuser server."""

    email: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class LoginStatus:
    """What a server says about logins. Versions before 6.12 have none to speak of."""

    wanted: bool = False
    setup_required: bool = False


Exchange = Callable[[str, str, object], Awaitable[Answer]]
"""Send method, path and JSON body without any token; give back the answer as it came."""


class Login:
    """The token of one account. Safe to use from many tasks at once.

    user_id: how the server calls the account; None before a login, and where there is none.
    """

    def __init__(self, label: str, credentials: Credentials | None, exchange: Exchange) -> None:
        self.user_id: str | None = None
        self._label = label
        self._credentials = credentials
        self._exchange = exchange
        self._token: str | None = None
        self._asked = False
        self._rounds = 0
        self._refusal: NotAuthorised | None = None
        self._lock = asyncio.Lock()

    @property
    def configured(self) -> bool:
        """Whether the settings hold an account for this server."""
        return self._credentials is not None

    async def headers(self) -> Mapping[str, str]:
        """Return the headers that authorise a request, signing in first when needed.

        Raises NotAuthorised when the server refuses the account.
        """
        if self._credentials is not None and not self._asked:
            await self._sign_in_once(self._rounds)
        return self._bearer()

    async def renew(self, used: Mapping[str, str]) -> Mapping[str, str] | None:
        """Return fresh headers after a 401, or None when there is no account to sign in with.

        used: the headers of the refused request. When another task renewed the token in the
        meantime, that one is taken, so that a crowd of 401s makes a single login.
        """
        if self._credentials is None:
            return None
        if used == self._bearer():
            await self._sign_in_once(self._rounds)
        return self._bearer() or None

    def take(self, answer_headers: Mapping[str, str]) -> None:
        """Keep the renewed token of an answer: a login that is used never ends."""
        if self._token is not None:
            self._token = answer_headers.get(REFRESHED) or self._token

    async def status(self) -> LoginStatus:
        """Ask the server whether it wants a login. Needs none itself."""
        answer = await self._exchange("GET", "/auth/status", None)
        if answer.lacks_route:
            return LoginStatus()
        error = error_of(answer, JSON, writes=False)
        if error is not None:
            raise error
        fields = answer.json_object()
        return LoginStatus(
            wanted=fields.get("multiuser_enabled") is True,
            setup_required=fields.get("setup_required") is True,
        )

    def _bearer(self) -> Mapping[str, str]:
        return {} if self._token is None else {"Authorization": f"Bearer {self._token}"}

    async def _sign_in_once(self, seen: int) -> None:
        """Sign in, unless another task did (or was refused) since `seen` was read."""
        async with self._lock:
            if self._rounds == seen:
                self._refusal = None
                try:
                    wanted = (await self.status()).wanted
                    self._token = await self._sign_in() if wanted else None
                    self._asked = True
                except NotAuthorised as refusal:
                    self._refusal = refusal
                self._rounds += 1
            if self._refusal is not None:
                raise self._refusal

    async def _sign_in(self) -> str:
        if self._credentials is None:
            raise NotAuthorised(f"{self._label} wants a login: set its email and password")
        body = {
            "email": self._credentials.email,
            "password": self._credentials.password,
            "remember_me": True,
        }
        answer = await self._exchange("POST", "/auth/login", body)
        if answer.status in {400, 401, 403, 422}:
            reason = answer.detail() or f"status {answer.status}"
            raise NotAuthorised(
                f"{self._label} refuses the account {self._credentials.email}: {reason}. "
                "Check its email and password"
            )
        error = error_of(answer, JSON, writes=False)
        if error is not None:
            raise error
        self.user_id = _user_id(answer.json_object().get("user"))
        token = answer.json_object().get("token")
        if not isinstance(token, str) or not token.isascii() or not token.isprintable():
            raise NotAuthorised(f"{self._label} accepted the login but sent no usable token")
        return token


def _user_id(user: object) -> str | None:
    value = user.get("user_id") if isinstance(user, dict) else None
    return value if isinstance(value, str) else None
