"""What stands in front: where TLS ends and by which evidence, its maker, and addresses that its cookies give away."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from semscheck.model.analysis import BalancingPath, Termination
from semscheck.model.observations import Connection, Handshake
from tests.analysis.balancing.connections import NAMES, PORT, VIP, Headers, Story, address, set_cookies

OURS, OTHER = "a" * 64, "b" * 64
BIGIP = "1677787402.36895.0000"


def presented(certificates: Mapping[str, str], direct: bool = False) -> BalancingPath:
    """Each address presents one certificate; direct: the name leads to the first member itself."""
    story = Story(*NAMES)
    for where, certificate in certificates.items():
        story.add(Connection, address=where, port=PORT)
        story.add(
            Handshake,
            address=where,
            port=PORT,
            sni="keys.example.com",
            version="TLSv1.3",
            chain=(certificate,),
        )
    for _ in range(8):
        story.connection(**({"address": address("sems1")} if direct else {}))
    return story.path()


def members(certificate: str, *names: str) -> dict[str, str]:
    return {address(name): certificate for name in names or NAMES}


@pytest.mark.parametrize(
    ("certificates", "ends"),
    [
        ({VIP: OTHER, **members(OURS)}, Termination.TERMINATED),
        ({VIP: OURS, **members(OURS)}, Termination.UNKNOWN),
        ({VIP: OTHER, **members(OURS), address("sems3"): OTHER}, Termination.UNKNOWN),
        ({VIP: OTHER, **members(OURS, "sems1", "sems2")}, Termination.UNKNOWN),  # the third may have it
        ({VIP: OTHER}, Termination.UNKNOWN),
        (members(OURS), Termination.UNKNOWN),
    ],
)
def test_a_certificate_that_no_member_presents_is_of_something_in_front(
    certificates: dict[str, str], ends: Termination
) -> None:
    path = presented(certificates)
    assert path.termination is ends
    said = ("the certificate at the FQDN's address is on no member",)
    assert path.termination_evidence == (said if ends is Termination.TERMINATED else ())


def pages(here: Headers, direct: Headers, *asked: str) -> BalancingPath:
    """The page at the FQDN's address, and the same one at members."""
    story = Story(*NAMES)
    story.controls()
    story.page(VIP, also=here)
    for name in asked or NAMES:
        story.page(address(name), also=direct)
    for _ in range(8):
        story.connection(status=200, headers=here)
    return story.path()


@pytest.mark.parametrize(
    ("here", "direct", "asked", "ends"),
    [
        (set_cookies(BIGipServerpool=BIGIP), (), NAMES, Termination.TERMINATED),
        (set_cookies(BIGipServerpool=BIGIP), (), NAMES[:1], Termination.TERMINATED),  # a vendor's own
        (set_cookies(BIGipServerpool=BIGIP), set_cookies(BIGipServerpool=BIGIP), NAMES, Termination.UNKNOWN),
        (set_cookies(anything="x1"), (), NAMES, Termination.TERMINATED),  # by no member on that page
        (set_cookies(anything="x1"), (), NAMES[:2], Termination.UNKNOWN),
        (set_cookies(anything="x1"), set_cookies(anything="x2"), NAMES, Termination.UNKNOWN),
        (
            set_cookies(JSESSIONID="s1~" + "0" * 32),
            set_cookies(JSESSIONID="0" * 32),
            NAMES,
            Termination.TERMINATED,
        ),
        ((), (), NAMES, Termination.UNKNOWN),
    ],
)
def test_cookies_that_only_something_in_front_can_have_set(
    here: Headers, direct: Headers, asked: tuple[str, ...], ends: Termination
) -> None:
    path = pages(here, direct, *asked)
    assert path.termination is ends
    assert bool(path.termination_evidence) is (ends is Termination.TERMINATED)


def test_a_session_that_a_member_knows_went_through() -> None:
    story = Story(*NAMES).controls()
    story.fresh("1231231231")
    path = story.path()
    assert path.termination is Termination.PASS_THROUGH
    assert path.termination_evidence == ("a member recognizes TLS sessions that the FQDN's address gave",)


def test_sessions_that_are_known_in_front_and_by_no_member_ended_there() -> None:
    story = Story(*NAMES).controls()
    fresh = story.fresh("????????")
    for sample in fresh[:4]:
        story.offered("resume", sample, resumed=True)
    path = story.path()
    assert path.termination is Termination.TERMINATED
    assert "recognized there and by no member" in path.termination_evidence[0]


def test_a_makers_marks_count_where_the_members_do_not_carry_them() -> None:
    marked = (("X-ServedBy", "KEMP-LM"),)
    path = pages(marked, ())
    assert (path.vendor, path.vendor_evidence) == ("Kemp LoadMaster", ("header X-ServedBy",))
    assert path.vendor_hint is not None
    assert "LoadMaster" in path.vendor_hint
    assert pages(marked, marked).vendor is None
    own = set_cookies(BIGipServerpool=BIGIP)
    assert pages(own, ()).vendor == "F5 BIG-IP"
    assert pages(own, own).vendor is None


def test_addresses_that_a_cookie_gives_away_are_said_once() -> None:
    assert pages(set_cookies(BIGipServerpool=BIGIP), ()).discloses == ("BIGipServerpool: 10.1.1.100:8080",)
    assert pages(set_cookies(BIGipServerpool="!" + "x" * 20), ()).discloses == ()
