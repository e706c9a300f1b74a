"""What changes while the check runs: a reload, a restart, a client that is forgotten while it pauses."""

from __future__ import annotations

import contextlib
import functools
import os
import signal
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from tests.balancers.stand import Checked, Stand
from tests.balancers.test_by_name import SESSION, Members, applications
from tests.rig.balancers import Backend, HAProxy, NginxHttp
from tests.rig.members import Interface, NginxMember
from tests.rig.process import Listening, Place, Server, program
from tests.rig.rig import Software

pytestmark = pytest.mark.real


class ReloadedHAProxy(HAProxy):
    """HAProxy with a master process, which loads its configuration again on SIGUSR2."""

    def launch(self, place: Place, directory: Path) -> Server:
        directory.mkdir(parents=True, exist_ok=True)
        config = directory / "haproxy.cfg"
        config.write_text(self._config(directory))
        where = [Listening(*one) for one in self.listen]
        command = [program("haproxy"), "-W", "-db", "-f", str(config)]
        return Server(command, place=place, directory=directory, name=self.name, listening=where)


class ReloadedNginx(NginxHttp):
    """nginx with a master process and a worker, which a SIGHUP replaces."""

    def _config(self, directory: Path) -> str:
        return NginxHttp._config(self, directory).replace("master_process off;", "worker_processes 1;")


def reload(number: signal.Signals, done: str, times: int, server: Server) -> None:
    """Until the old process has left the address to the new one."""
    os.kill(server.pid, number)
    server.await_log(done, times=times)


Steady = tuple[Callable[[Stand, Members], Software], signal.Signals, str, int]
STEADY: dict[str, Steady] = {
    "HAProxy, first": (
        lambda s, m: ReloadedHAProxy(s.listen, m, method="first", certificate=s.certificate, speak_tls=False),
        signal.SIGUSR2,
        "Loading success",
        2,
    ),
    "nginx, ip_hash": (
        lambda s, m: ReloadedNginx(s.listen, m, s.certificate, "ip_hash", speak_tls=False),
        signal.SIGHUP,
        "gracefully shutting down",
        1,
    ),
}
SPREADING: dict[str, Steady] = {
    "HAProxy": (
        lambda s, m: ReloadedHAProxy(s.listen, m, certificate=s.certificate, speak_tls=False),
        signal.SIGUSR2,
        "Loading success",
        2,
    ),
    "nginx": (
        lambda s, m: ReloadedNginx(s.listen, m, s.certificate, speak_tls=False),
        signal.SIGHUP,
        "gracefully shutting down",
        1,
    ),
}


def reloaded(stand: Stand, one: Steady) -> Checked:
    """Checked with only the name, while what ends TLS is reloaded: it forgets its keys and makes new ones."""
    software, number, done, times = one
    with applications(stand, SESSION) as members, stand.running(software(stand, members)) as server:
        during = {(stand.vip, 20): functools.partial(reload, number, done, times, server)}
        return stand.check(stand.target(), server, before=during)


@pytest.mark.parametrize("one", STEADY.values(), ids=STEADY)
def test_keys_that_are_renewed_are_no_second_server(stand: Stand, one: Steady) -> None:
    checked = reloaded(stand, one)
    assert len(checked.path.ticket_keys) > 1, checked.said
    assert checked.balancing_codes == {"BAL009"}, checked.said


@pytest.mark.parametrize("one", SPREADING.values(), ids=SPREADING)
def test_keys_that_are_renewed_hide_no_spreading(stand: Stand, one: Steady) -> None:
    checked = reloaded(stand, one)
    assert checked.balancing_codes & {"BAL001", "BAL002"}, checked.said


@contextlib.contextmanager
def restarting(stand: Stand) -> Iterator[tuple[Members, Callable[[], None]]]:
    """Two members, and what restarts the first."""
    places = [stand.rig.address(f"198.51.100.{number}") for number in (150, 151)]
    described = [
        NginxMember(f"sems{at}", (Interface(place, stand.port, stand.certificate),))
        for at, place in enumerate(places, start=1)
    ]
    with contextlib.ExitStack() as running:
        first, _ = (running.enter_context(stand.running(one)) for one in described)

        def restart() -> None:
            first.stop()
            running.enter_context(stand.running(described[0]))

        yield (
            tuple(Backend(one.name, place, stand.port) for one, place in zip(described, places, strict=True)),
            restart,
        )


@pytest.mark.parametrize(("known", "code"), [(True, "BAL009"), (False, "BAL008")])
def test_a_server_that_is_restarted_has_another_key(stand: Stand, known: bool, code: str) -> None:
    with (
        restarting(stand) as (members, restart),
        stand.running(HAProxy(stand.listen, members, method="first")) as server,
    ):
        during = {(stand.vip, 22): restart}
        checked = stand.check(stand.target(members if known else ()), server, before=during)
    assert checked.balancing_codes == {code}, checked.said
    assert known or "restarted" in checked.finding(code).summary


EXPIRES_S = 2


class Forgetful(HAProxy):
    """Keeps clients by source address, for two seconds after the last connection."""

    def _config(self, directory: Path) -> str:
        return HAProxy._config(self, directory).replace("expire 30m", f"expire {EXPIRES_S}s")


@pytest.mark.parametrize(
    ("kind", "known"), [("tickets", True), ("tickets", False), ("sessions", True), ("sessions", False)]
)
def test_clients_are_forgotten_while_they_pause(stand: Stand, kind: str, known: bool) -> None:
    members = stand.members(kind)
    certificate = stand.certificate if kind == "sessions" else None
    balancer = Forgetful(stand.listen, members, stick="source", certificate=certificate)
    with stand.running(balancer) as server:
        checked = stand.check(stand.target(members if known else (), spread_s=6.0), server)
    assert checked.report.summary.exit_code != 0, checked.said
    opened = [d.at_s for d in checked.notes.dialled if d.address == stand.vip]
    pauses = [later - earlier for earlier, later in pairwise(opened) if later - earlier > EXPIRES_S]
    if len(pauses) == 3:  # those of the check alone, on a machine that is not too busy
        assert "BAL006" in checked.codes, checked.said
        assert "expires too soon" in checked.finding("BAL006").summary


def test_clients_that_are_kept_longer_are_not_called_forgotten(stand: Stand) -> None:
    members = stand.members("tickets")
    with stand.running(HAProxy(stand.listen, members, stick="source")) as server:
        checked = stand.check(stand.target(members, spread_s=2.0), server)
    assert checked.balancing_codes == {"BAL009"}, checked.said
    assert len(checked.samples("pause")) == 1
    assert checked.path.persistence_held_s is not None
