"""Several servers end TLS, and sessions are known wherever they are shown: one application, so far as is seen."""

from __future__ import annotations

import pytest

from semscheck.analysis.balancing.facts import Facts
from semscheck.analysis.balancing.identity import Identity
from semscheck.analysis.balancing.method import LEAST, _one_application
from semscheck.model.observations import Control, Sample

ADDRESS, PORT = "192.0.2.100", 443
ENOUGH = LEAST - 1


def connection(number: int, server: str, labels: dict[str, str], **more: object) -> Sample:
    arm = "cookie" if more else "fresh"
    sample = Sample(
        id=f"o{number}",
        at_s=float(number),
        arm=arm,
        index=number,
        address=ADDRESS,
        port=PORT,
        **more,  # type: ignore[arg-type]
    )
    labels[sample.id] = server
    return sample


def told(
    *shown: tuple[str, str, bool], made_up: bool | None = False, by: str = "ticket-key", beside: int = 0
) -> bool:
    """shown: the server that gave a session, the one it was shown to, whether it was known. made_up: a value that
    nobody gave was known. beside: so many of the connections sent another cookie beside it."""
    labels: dict[str, str] = {}
    samples: list[Sample] = []
    for at, (giver, here, known) in enumerate(shown):
        origin = connection(2 * at, giver, labels)
        sent = ("JSESSIONID", "other") if at < beside else ("JSESSIONID",)
        again = connection(
            2 * at + 1, here, labels, offered=origin.id, cookies_sent=sent, cookie_recognised=known
        )
        samples += [origin, again]
    control = Control(
        id="c", at_s=0.0, token="cookie", name="made up", made_up_of="JSESSIONID", issuer="", issuer_address=ADDRESS,
        shown_to="", address=ADDRESS, port=PORT, recognised=made_up,
    )  # fmt: skip
    facts = Facts(members=(), addresses={}, samples=tuple(samples), traces={}, controls=(control,))
    return _one_application(facts, Identity(labels, by=by))


MOVED = (("A", "B", True),) * ENOUGH


def test_sessions_that_are_known_elsewhere_are_of_one_application() -> None:
    assert told(*MOVED)
    assert told(*MOVED, ("A", "A", False))  # a session that ended where it began says nothing of others


@pytest.mark.parametrize(
    ("shown", "more"),
    [
        (MOVED[1:], {}),  # too few
        ((("A", "A", True),) * 9, {}),  # never shown elsewhere
        ((*MOVED, ("B", "A", False)), {}),
        (MOVED, {"made_up": True}),  # the page sets no new session for any value
        (MOVED, {"made_up": None}),
        (MOVED, {"by": "tls-session"}),
        (MOVED, {"beside": 1}),  # the balancer may have followed the other one
    ],
)
def test_what_does_not_show_one_application(
    shown: tuple[tuple[str, str, bool], ...], more: dict[str, object]
) -> None:
    assert not told(*shown, **more)  # type: ignore[arg-type]
