"""Basic authentication (RFC 7617) with bcrypt hashes.

bcrypt is slow on purpose: one comparison at a time, in a thread, at most a few waiting. A password that was right is
remembered by a keyed hash, so that Prometheus' scrapes cost a comparison once. An unknown name takes as long as a
wrong password.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hmac
import secrets
from collections import OrderedDict
from collections.abc import Mapping

MAX_WAITING = 32  # comparisons; beyond, requests are turned away and nothing is said about the password
MAX_REMEMBERED = 128
# bcrypt looks at 72 bytes; longer passwords are refused by its library.
MAX_PASSWORD_BYTES = 72


class BusyError(Exception):
    """Too many passwords are being tried."""


class Passwords:
    """The users of one web configuration. For one event loop."""

    def __init__(self, users: Mapping[str, bytes]) -> None:
        self._users = dict(users)
        self._key = secrets.token_bytes(32)
        self._right: OrderedDict[bytes, None] = OrderedDict()
        self._one = asyncio.Lock()
        self._waiting = 0
        self._nobody = next(iter(self._users.values()), b"")

    @property
    def wanted(self) -> bool:
        return bool(self._users)

    async def allow(self, header: bytes | None) -> bool:
        """Whether an Authorization header names a user with its password. Raises BusyError."""
        given = _credentials(header)
        if given is None:
            return False
        name, password = given
        hashed = self._users.get(name)
        seal = hmac.digest(self._key, b"\0".join((name.encode(), hashed or b"", password)), "sha256")
        if seal in self._right:
            self._right.move_to_end(seal)
            return True
        right = await self._compare(password, hashed or self._nobody) and hashed is not None
        if right:
            self._right[seal] = None
            while len(self._right) > MAX_REMEMBERED:
                self._right.popitem(last=False)
        return right

    async def _compare(self, password: bytes, hashed: bytes) -> bool:
        import bcrypt

        if self._waiting >= MAX_WAITING:
            raise BusyError
        self._waiting += 1
        try:
            async with self._one:
                return await asyncio.to_thread(bcrypt.checkpw, password[:MAX_PASSWORD_BYTES], hashed)
        finally:
            self._waiting -= 1


def _credentials(header: bytes | None) -> tuple[str, bytes] | None:
    """User and password of a header, None for one that is none."""
    scheme, _, coded = (header or b"").partition(b" ")
    if scheme.lower() != b"basic":
        return None
    try:
        decoded = base64.b64decode(coded.strip(), validate=True)
        name, colon, password = decoded.partition(b":")
        if not colon or len(password) > MAX_PASSWORD_BYTES or b"\0" in password:
            return None
        return name.decode(), password
    except (binascii.Error, UnicodeDecodeError):
        return None
