"""This desktop, laid out in a folder: hosts file, routes, and everything together."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semscheck.model.failure import Cause
from semscheck.model.observations import (
    AnyObservation,
    Enrolment,
    HostsEntry,
    HostsFile,
    ProxySettings,
    Route,
)
from semscheck.model.target import Endpoint, Member, Target
from semscheck.net.backend import NetworkBackend, real_backend
from semscheck.probes import desktop as probe
from semscheck.probes.desktop import hosts_entries, look_around
from semscheck.probes.local_files import WindowsRegistry
from semscheck.probes.recorder import Recorder
from tests.probes.dnslook import FQDN, desktop

NAMES = frozenset({FQDN, "sems1.example.test"})
TARGET = Target(
    FQDN, balancers=("127.0.0.1",), members=(Member("sems1.example.test", (Endpoint("127.0.0.2"),)),)
)


class FakeRegistry:
    """Values by hive, key's last part and value name; the 32-bit view under "32"."""

    def __init__(
        self, values: Mapping[tuple[str, str] | tuple[str, str, int], str | int | Exception]
    ) -> None:
        self._values = values

    def read(self, hive: str, key: str, value: str, bits: int | None = None) -> str | int:
        found = self._values.get((hive, value, bits or 0), self._values.get((hive, value)))
        if found is None:
            raise FileNotFoundError(2, "The system cannot find the file specified")
        if isinstance(found, Exception):
            raise found
        return found


def around(
    backend: NetworkBackend, target: Target = TARGET, registry: FakeRegistry | None = None
) -> tuple[AnyObservation, ...]:
    async def run() -> tuple[AnyObservation, ...]:
        record = Recorder(backend.clock)
        await look_around(backend, record, target, registry)
        return record.observations

    return asyncio.run(run())


def laid_out(root: Path, platform: str = "linux", **environment: str) -> NetworkBackend:
    return replace(real_backend(1), desktop=desktop(root, platform, **environment))


# --- the hosts file ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "entries"),
    [
        (b"", ()),
        (b"127.0.0.1 localhost\n", ()),
        (b"192.0.2.1 keys.example.test\n", (HostsEntry(1, "192.0.2.1", (FQDN,)),)),
        (b"# 192.0.2.1 keys.example.test\n", ()),
        (b"192.0.2.1 other # keys.example.test\n", ()),
        (
            b"\n\t192.0.2.1\tkeys KEYS.example.TEST.\r\n",
            (HostsEntry(2, "192.0.2.1", ("keys", "KEYS.example.TEST.")),),
        ),
        (b"2001:DB8:0::1 sems1.example.test", (HostsEntry(1, "2001:db8::1", ("sems1.example.test",)),)),
        (b"nonsense keys.example.test\n", ()),
        (b"keys.example.test\n", ()),
        (b"\xef\xbb\xbf192.0.2.1 keys.example.test", (HostsEntry(1, "192.0.2.1", (FQDN,)),)),
        (b"192.0.2.1 keys.example.test.corp\n", ()),
        (b"\xff\xfe1\x009\x00", ()),
    ],
)
def test_hosts_lines(text: bytes, entries: tuple[HostsEntry, ...]) -> None:
    assert hosts_entries(text, NAMES) == entries


@given(st.binary(max_size=300))
def test_any_bytes_are_a_hosts_file(data: bytes) -> None:
    for entry in hosts_entries(data + b"\n192.0.2.1 keys.example.test", NAMES):
        assert FQDN in entry.names or "sems1.example.test" in entry.names


def test_many_lines_are_bounded() -> None:
    assert len(hosts_entries(b"192.0.2.1 keys.example.test\n" * 1000, NAMES)) == 64


def test_the_file_of_each_system_is_found(tmp_path: Path) -> None:
    posix = tmp_path / "etc" / "hosts"
    windows = tmp_path / "Windows" / "System32" / "drivers" / "etc" / "hosts"
    for path, address in ((posix, "192.0.2.1"), (windows, "192.0.2.2")):
        path.parent.mkdir(parents=True)
        path.write_text(f"{address} {FQDN}\n")
    for platform, address in (("linux", "192.0.2.1"), ("darwin", "192.0.2.1"), ("win32", "192.0.2.2")):
        backend = laid_out(tmp_path, platform, SystemRoot=r"C:\Windows")
        [seen] = [one for one in around(backend, registry=FakeRegistry({})) if isinstance(one, HostsFile)]
        assert [entry.address for entry in seen.entries] == [address]
        assert seen.failure is None


def test_an_absent_file_and_one_that_is_none(tmp_path: Path) -> None:
    [seen] = [one for one in around(laid_out(tmp_path)) if isinstance(one, HostsFile)]
    assert seen.failure is not None
    assert seen.failure.cause is Cause.NOT_FOUND
    (tmp_path / "etc").mkdir()
    os.mkfifo(tmp_path / "etc" / "hosts")  # reading it would wait for ever
    [seen] = [one for one in around(laid_out(tmp_path)) if isinstance(one, HostsFile)]
    assert seen.failure is not None
    assert "not a file" in seen.failure.detail


def test_a_huge_file_is_read_in_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "MAX_HOSTS_BYTES", 1000)
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "hosts").write_text(
        f"192.0.2.1 {FQDN}\n" + "# filler\n" * 1000 + f"192.0.2.2 {FQDN}\n"
    )
    [seen] = [one for one in around(laid_out(tmp_path)) if isinstance(one, HostsFile)]
    assert [entry.address for entry in seen.entries] == ["192.0.2.1"]
    assert seen.failure is not None
    assert seen.failure.cause is Cause.TOO_LARGE


def test_a_folder_that_hangs_does_not_hold_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A home folder on a dead file server: reading never comes back."""
    release = threading.Event()
    monkeypatch.setattr(probe, "_hosts_file", lambda *_: release.wait(20))
    monkeypatch.setattr("semscheck.probes.local_files.READ_TIMEOUT_S", 0.05)
    [seen] = [one for one in around(laid_out(tmp_path)) if isinstance(one, HostsFile)]
    release.set()
    assert seen.failure is not None
    assert seen.failure.cause is Cause.TIMED_OUT


# --- routes and the whole ----------------------------------------------------------------------------------


def test_routes_to_what_the_target_names(tmp_path: Path) -> None:
    class NoWay:
        def source_for(self, address: str, port: int) -> str:
            if ":" in address:
                raise OSError(101, "Network is unreachable")
            return "127.0.0.1"

    backend = replace(laid_out(tmp_path), dialler=NoWay())  # type: ignore[arg-type]
    target = replace(TARGET, balancers=("192.0.2.1", "2001:db8::1", "192.0.2.1"))
    routes = {one.address: one for one in around(backend, target) if isinstance(one, Route)}
    assert list(routes) == ["192.0.2.1", "2001:db8::1", "127.0.0.2"]
    assert routes["192.0.2.1"].source_address == "127.0.0.1"
    failure = routes["2001:db8::1"].failure
    assert failure is not None
    assert failure.cause is Cause.NO_ROUTE


def test_a_whole_windows_desktop(tmp_path: Path) -> None:
    roaming = tmp_path / "Roaming" / "PGP Corporation" / "PGP"
    roaming.mkdir(parents=True)
    (roaming / "PGPprefs.xml").write_text(
        "<plist><dict><key>ovidServer</key><string>keys.example.test</string></dict></plist>"
    )
    registry = FakeRegistry(
        {
            ("HKLM", "PGPSTAMP", 32): "ovid=keys.example.test&mail=*&admin=1",
            ("HKCU", "ProxyEnable"): 1,
            ("HKCU", "ProxyServer"): "proxy.example.test:8080",
        }
    )
    seen = around(laid_out(tmp_path, "win32", APPDATA=str(tmp_path / "Roaming")), registry=registry)
    enrolments = [one for one in seen if isinstance(one, Enrolment)]
    assert [one.servers for one in enrolments] == [(), (FQDN,), (FQDN,)]
    assert enrolments[0].failure is not None
    assert "Wow6432Node" in enrolments[1].source
    assert [(one.source, one.covers) for one in seen if isinstance(one, ProxySettings)] == [
        ("environment", False),
        ("windows", True),
    ]


def test_a_registry_that_cannot_be_had_is_a_failure_not_a_crash(tmp_path: Path) -> None:
    """win32 without the module winreg stands for every surprise of a platform."""
    seen = around(laid_out(tmp_path, "win32"))
    assert any(isinstance(one, Enrolment) and one.failure is not None for one in seen)
    assert any(isinstance(one, ProxySettings) and one.failure is not None for one in seen)


def test_windows_own_registry_is_read_in_the_view_that_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys
    import types

    opened: list[tuple[object, ...]] = []

    class Key:
        def __enter__(self) -> Key:
            return self

        def __exit__(self, *_: object) -> None: ...

    def open_key(*arguments: object) -> Key:
        opened.append(arguments)
        return Key()

    fake = types.SimpleNamespace(
        HKEY_LOCAL_MACHINE="LM",
        HKEY_CURRENT_USER="CU",
        KEY_READ=1,
        KEY_WOW64_64KEY=64,
        KEY_WOW64_32KEY=32,
        OpenKey=open_key,
        QueryValueEx=lambda key, name: ("ovid=" + name, 1),
    )
    monkeypatch.setitem(sys.modules, "winreg", fake)  # type: ignore[arg-type]
    assert WindowsRegistry().read("HKLM", "K", "V", 32) == "ovid=V"
    assert WindowsRegistry().read("HKCU", "K", "V") == "ovid=V"
    assert opened == [("LM", "K", 0, 33), ("CU", "K", 0, 1)]


def test_nothing_is_written(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "hosts").write_text("127.0.0.1 localhost\n")
    before = sorted((path, path.stat().st_mtime_ns) for path in tmp_path.rglob("*"))
    around(laid_out(tmp_path))
    assert sorted((path, path.stat().st_mtime_ns) for path in tmp_path.rglob("*")) == before
