"""A browser sends a balancer's cookie back: was it accepted, refused, or is that not to be seen?"""

from __future__ import annotations

import pytest

from semscheck.analysis.balancing.persistence import _Back, _held_s, _Keeping
from semscheck.model.observations import Sample

LONG = "0123456789ABCDEF" * 8


def answer(name: str, set_now: str | None) -> Sample:
    return Sample(
        id="o2",
        at_s=1.0,
        elapsed_s=0.1,
        arm="cookie",
        index=0,
        address="192.0.2.100",
        port=443,
        offered="o1",
        status=200,
        cookies_sent=(name,),
        headers=() if set_now is None else (("Set-Cookie", f"{name}={set_now}; path=/"),),
    )


@pytest.mark.parametrize(
    ("name", "given", "set_now", "accepted"),
    [
        ("SERVERID", "sems1", None, True),
        ("SERVERID", "sems1", "sems1", True),  # set with every answer, as some are configured
        ("SERVERID", "sems1", "sems2", False),
        ("BIGipServersems", "184680640.47873.0000", "184680640.47873.0000", True),
        ("BIGipServersems", "184680640.47873.0000", "201457856.47873.0000", False),
        ("lbsession", "a1b2", None, True),  # of no known form, and only something in front sets it
        ("lbsession", "a1b2", "c3d4", False),
        ("AWSALB", LONG, LONG[::-1], None),  # another value with every response
        ("JSESSIONID", "sems1~0A1B", None, None),  # a shared session would be known elsewhere too
        ("JSESSIONID", "sems1~0A1B", "sems2~2C3D", False),
    ],
)
def test_a_cookie_that_was_sent_back(
    name: str, given: str, set_now: str | None, accepted: bool | None
) -> None:
    keeping = _Keeping(frozenset({name}), {("o1", name): given})
    assert keeping.accepted(answer(name, set_now)) is accepted


def test_nothing_is_said_of_a_cookie_that_no_balancer_keeps_clients_by() -> None:
    assert _Keeping(frozenset({"SERVERID"}), {}).accepted(answer("JSESSIONID", None)) is None


def test_a_session_was_held_for_as_long_as_the_oldest_that_led_back() -> None:
    assert _held_s([_Back(True, 0.3, "a", age_s=age_s) for age_s in (0.4, 4.24, 1.0)]) == 4.2
    assert _held_s([_Back(True, 0.3, "a")]) is None
