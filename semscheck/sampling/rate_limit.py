"""How fast connections follow one another, and what to do where an address lets one desktop make only so many.

Balancers and firewalls limit the rate of connections from one source (HAProxy's `conn_rate`, nftables' `limit`). A
check that runs into that has met its own haste, not what users meet. It shows as connections that were all answered
and then, from one moment on, all fail; and as an answer again after a pause.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from semscheck.model.failure import Cause, Failure
from semscheck.model.observations import Bound, Sample
from semscheck.probes.recorder import Recorder

if TYPE_CHECKING:
    from semscheck.net.backend import Clock

ANSWERED_BEFORE = 4  # connections, all of them answered, before failures may be a limit
IN_A_ROW = 4  # failures, before waiting: a dead member of two takes every second turn
WAITS_S = (1.0, 2.0, 4.0, 8.0)  # 15 s in all; the usual windows of such limits are 1 to 10 s
SPACING_S = 0.6  # between connections once there is a limit: below two in a second
SPACING_MOST_S = 2.4
WAITING_PART = 0.75  # of the run's time; what is left after that is for what still has to be measured

# What a limit looks like: refused or rejected, closed at once, or left without an answer. One limit may show several
# of these: what HAProxy drops silently is at first without an answer, and reset when the client speaks.
_SIGNS = frozenset((Cause.REFUSED, Cause.NO_ROUTE, Cause.RESET, Cause.CLOSED, Cause.STALLED, Cause.TIMED_OUT))


class ShutOutError(Exception):
    """Connections were answered, and from one moment on none was any more: this address is left alone."""


@dataclass(slots=True)
class RateLimit:
    """What the run has learnt of limits. spacing_s: kept between connections, 0 where none was met; until_s: when
    waiting has to end, on the run's clock."""

    spacing_s: float = 0.0
    until_s: float = float("inf")


class RateLimiter:
    """The pace of the connections to one address. Tell it each sample; await `rest` between them."""

    def __init__(
        self, record: Recorder, clock: Clock, haste: RateLimit, members_answer: Callable[[], Awaitable[bool]]
    ) -> None:
        """members_answer: whether those who answered before still do when asked directly. If not, they are why."""
        self._record = record
        self._clock = clock
        self._haste = haste
        self._members_answer = members_answer
        self._answered = 0
        self._failed: list[str] = []
        self._where = ""
        self._waits = 0
        self._given_up = False
        self.not_let_through = 0  # connections that a limit kept away

    @property
    def is_limited(self) -> bool:
        return self._haste.spacing_s > 0

    @property
    def is_late(self) -> bool:
        """There is a limit, and no time left to keep to it."""
        return self.is_limited and self._record.now() >= self._haste.until_s

    def tell(self, sample: Sample) -> None:
        """A connection was made, or failed."""
        if self._given_up or sample.request:
            return
        if sample.failure is not None:
            self._failure(sample, sample.failure)
        elif self._waits:
            self._answered_again()
        elif self._failed:
            self._given_up = True  # some fail and others do not: that is no limit
        else:
            self._answered += 1

    def _failure(self, sample: Sample, trouble: Failure) -> None:
        self._where = f"{sample.address} (port {sample.port})"
        early = self._answered < ANSWERED_BEFORE and not self.is_limited
        if early or trouble.cause not in _SIGNS:
            self._given_up = True
        else:
            self._failed.append(sample.id)

    def _answered_again(self) -> None:
        """It was a limit on this desktop, or an interruption that nobody can tell from one."""
        failed, self._failed, self._waits = tuple(self._failed), [], 0
        self.not_let_through += len(failed)
        self._record.add(
            Bound,
            self._record.now(),
            elapsed_s=None,
            what=f"new connections to {self._where} in quick succession, of which it "
            "refused some and answered again after a pause",
            seen=self._answered + len(failed),
            used=self._answered,
            samples=failed,
        )
        self._answered = 1
        self._haste.spacing_s = min(SPACING_MOST_S, 2 * self._haste.spacing_s) or SPACING_S

    def _shut_out(self) -> ShutOutError:
        """What failed is laid to a limit, a ban, or an outage that began just then: what was before is judged."""
        self._record.add(
            Bound,
            self._record.now(),
            elapsed_s=None,
            what=f"new connections to {self._where}, of which it answered all at first and none any more after that, "
            "as after a ban of this desktop or an outage; it was then left alone",
            seen=self._answered + len(self._failed),
            used=self._answered,
            samples=tuple(self._failed),
        )
        return ShutOutError(self._where)

    async def rest(self) -> None:
        """Wait where it looks like a limit, longer each time, or as long as one asks for; else return at once.

        Raises ShutOutError where waiting did not help."""
        if not self._given_up and len(self._failed) >= (1 if self.is_limited else IN_A_ROW):
            if self._waits == 0 and not await self._members_answer():
                self._given_up = True
                return
            wait_s = WAITS_S[self._waits] if self._waits < len(WAITS_S) else None
            if wait_s is None or self._record.now() + wait_s > self._haste.until_s:
                self._given_up = True
                raise self._shut_out()
            self._waits += 1
            await self._clock.sleep(wait_s)
        elif self.is_limited:
            await self._clock.sleep(self._haste.spacing_s)
