"""What a connection does with the cookies that it gave itself: which of them are sessions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import pytest

from semscheck.analysis.sampling_strategy import SamplingDecisions
from semscheck.net.cookies import Cookie
from semscheck.probes.endpoint import Destination
from semscheck.probes.recorder import Recorder
from semscheck.sampling.pairs import (
    MAX_SESSION_COOKIES,
    OWN_SHOWN,
    OwnCookies,
    Pairs,
    _named,
)
from tests.analysis.balancing.connections import PORT, VIP
from tests.sampling.test_sampler import TARGET
from tests.scripted import ScriptedClock

SESSION = "0123456789ABCDEF0123456789ABCDEF"


@dataclass
class Server:
    """Stands in place of a series. knows: whether it takes a cookie's value, after so many requests; else it sets a
    new one. status: of its answers."""

    knows: Callable[[str, int], bool]
    status: int = 200
    asked: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.decide = SamplingDecisions(TARGET)
        self.destination = Destination(VIP, PORT, TARGET.fqdn)
        self.probe = SimpleNamespace(record=Recorder(ScriptedClock()))

    async def ask(self, talk: object, page: str, cookie: str | None) -> tuple[Any, None]:
        name, _, value = (cookie or "").partition("=")
        self.asked.append(cookie or "")
        new = () if self.knows(value, len(self.asked)) else (("Set-Cookie", f"{name}=new"),)
        return SimpleNamespace(status=self.status, headers=new), None


async def judged(server: Server, *given: Cookie, elsewhere: tuple[Cookie, ...] = ()) -> OwnCookies:
    pairs = Pairs(cast(Any, server), cast(Any, None))
    return await pairs._judged(cast(Any, None), "/", given, elsewhere)


async def test_a_session_is_known_to_who_gave_it_and_a_made_up_one_is_not() -> None:
    server = Server(lambda value, _: value == SESSION)
    found = await judged(server, Cookie("JSESSIONID", SESSION))
    assert (found.sessions, found.given) == (("JSESSIONID",), True)
    assert [control.name for control in found.controls] == ["made up", *["JSESSIONID"] * OWN_SHOWN]
    assert [control.made_up_of for control in found.controls] == ["JSESSIONID", *[None] * OWN_SHOWN]
    assert {control.version for control in found.controls} == {None}
    assert [control.recognised for control in found.controls] == [False, *[True] * OWN_SHOWN]
    assert {(control.issuer, control.shown_to, control.address) for control in found.controls} == {
        ("", "", VIP)
    }
    assert server.asked[0] not in server.asked[1:]


async def test_what_takes_any_value_is_no_session() -> None:
    found = await judged(Server(lambda *_: True), Cookie("theme", "blue"))
    assert (found.sessions, found.given, len(found.controls)) == ((), True, 1)


async def test_where_its_own_is_not_known_it_is_not_shown_on() -> None:
    """Requests of one connection go each their own way."""
    server = Server(lambda value, number: value == SESSION and number == 2)
    found = await judged(server, Cookie("JSESSIONID", SESSION))
    assert found.sessions == ("JSESSIONID",)
    assert [control.recognised for control in found.controls] == [False, True, False]


async def test_one_that_is_known_makes_one_that_is_not_no_session() -> None:
    other = "fedcba9876543210fedcba9876543210"
    server = Server(lambda value, _: value == SESSION)
    found = await judged(server, Cookie("token", other), Cookie("JSESSIONID", SESSION))
    assert found.sessions == ("JSESSIONID",)
    assert found.naming  # the other one may name the server


@pytest.mark.parametrize(
    ("value", "naming"), [(SESSION, False), (f"{SESSION}.node1", True), (f"s1~{SESSION}", True)]
)
async def test_a_part_of_a_session_may_name_the_server(value: str, naming: bool) -> None:
    found = await judged(Server(lambda shown, _: shown in (SESSION, value)), Cookie("JSESSIONID", value))
    assert (found.sessions, found.naming) == (("JSESSIONID",), naming)


async def test_what_another_connection_was_given_too_is_no_session() -> None:
    theme = Cookie("theme", SESSION)
    found = await judged(Server(lambda *_: False), theme, elsewhere=(theme,))
    assert (found.sessions, found.controls, found.given) == ((), (), True)


async def test_errors_say_nothing() -> None:
    found = await judged(Server(lambda *_: False, status=502), Cookie("JSESSIONID", SESSION))
    assert (found.sessions, [control.recognised for control in found.controls]) == ((), [None])


async def test_what_is_no_session_is_not_shown() -> None:
    server = Server(lambda *_: False)
    found = await judged(
        server, Cookie("BIGipServerpool", "1677787402.36895.0000"), Cookie("old", "x" * 20, dead=True)
    )
    assert (found.sessions, found.controls, found.given, server.asked) == ((), (), True, [])
    assert await judged(server, Cookie("old", "x" * 20, dead=True)) == OwnCookies()


async def test_of_many_cookies_a_few_are_tried() -> None:
    many = [Cookie(f"session{n}", SESSION) for n in range(MAX_SESSION_COOKIES + 2)]
    found = await judged(Server(lambda value, _: value == SESSION), *many)
    assert found.sessions == tuple(cookie.name for cookie in many[:MAX_SESSION_COOKIES])


def test_the_live_cookie_of_a_name_counts() -> None:
    cookies = [Cookie("JSESSIONID", "gone", dead=True), Cookie("other", "x"), Cookie("JSESSIONID", SESSION)]
    assert _named("JSESSIONID", cookies) == Cookie("JSESSIONID", SESSION)
    assert _named("JSESSIONID", cookies[:2]) is None
