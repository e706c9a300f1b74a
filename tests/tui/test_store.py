"""Settings and recent targets: atomic, private, and a broken file is set aside, not fatal."""

import json
import os
from datetime import UTC, datetime, timedelta

import pytest

from semscheck.files import write_atomically
from semscheck.model.findings import Status
from semscheck.tui.store import MAX_RECENT, Recent, Settings, Store

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.fixture
def told():
    return []


@pytest.fixture
def store(tmp_path, told):
    return Store(tmp_path / "config", tmp_path / "state", told.append)


def recent(number: int, **change) -> Recent:
    values = {"fqdn": f"keys{number}.example.com", "at": NOW + timedelta(hours=number), "verdict": Status.OK}
    return Recent(**{**values, **change})


def test_nothing_saved_is_no_trouble_and_creates_nothing(store, told, tmp_path):
    assert store.load_settings() == Settings()
    assert store.load_recent() == ()
    assert told == []
    assert list(tmp_path.iterdir()) == []


def test_settings_come_back(store):
    settings = Settings(theme="light", timeout_s=2.5, connections=64, services=True, redact=True, ascii=True)
    store.save_settings(settings)
    assert store.load_settings() == settings


def test_the_newest_target_is_first_and_comes_once(store):
    for number in range(MAX_RECENT + 3):
        store.add_recent(recent(number))
    store.add_recent(recent(5, verdict=Status.CRITICAL))
    names = [it.fqdn for it in store.load_recent()]
    assert len(names) == MAX_RECENT == len(set(names))
    assert names[:2] == ["keys5.example.com", f"keys{MAX_RECENT + 2}.example.com"]
    assert store.load_recent()[0].verdict is Status.CRITICAL


def test_one_name_with_two_profiles_is_two_targets(store):
    store.add_recent(recent(1))
    store.add_recent(recent(1, profile="/etc/a.toml"))
    assert [it.profile for it in store.load_recent()] == ["/etc/a.toml", None]


@pytest.mark.skipif(os.name == "nt", reason="POSIX permissions")
def test_files_are_private(store):
    store.add_recent(recent(1))
    assert store.recent_file.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"\xff\xfe",
        b"null",
        b'{"recent": 3}',
        b'{"recent": [{"fqdn": 3, "at": "2026-11-22", "verdict": "ok"}]}',
        b'{"recent": [{"fqdn": "a", "at": "yesterday", "verdict": "ok"}]}',
        b'{"recent": [{"fqdn": "a", "at": "2026-11-22", "verdict": "fine"}]}',
        b"[" * 100_000,
        b'{"recent": "' + b"x" * 300_000 + b'"}',
    ],
)
def test_a_broken_file_is_set_aside_and_told(store, told, content):
    store.recent_file.parent.mkdir(parents=True)
    store.recent_file.write_bytes(content)
    assert store.load_recent() == ()
    assert len(told) == 1
    assert "damaged" in told[0]
    assert store.recent_file.with_name("recent.json.broken").read_bytes() == content
    assert store.add_recent(recent(1)) == store.load_recent()


@pytest.mark.parametrize(
    "change",
    [
        {"theme": "pink"},
        {"timeout_s": 0},
        {"timeout_s": "5"},
        {"deadline_s": True},
        {"deadline_s": 1e9},
        {"connections": 201},
        {"connections": 3.5},
        {"services": "yes"},
    ],
)
def test_settings_out_of_range_are_damage(store, told, change):
    store.settings_file.parent.mkdir(parents=True)
    store.settings_file.write_text(json.dumps(change))
    assert store.load_settings() == Settings()
    assert len(told) == 1


def test_a_newer_version_may_have_more_settings(store, told):
    store.settings_file.parent.mkdir(parents=True)
    store.settings_file.write_text('{"theme": "light", "sound": "loud"}')
    assert store.load_settings() == Settings(theme="light")
    assert told == []


def test_a_directory_that_cannot_be_written_is_told_and_no_more(tmp_path, told):
    (tmp_path / "file").write_text("")
    store = Store(tmp_path / "file", tmp_path / "file", told.append)
    store.save_settings(Settings(theme="light"))
    assert store.load_settings() == Settings()
    assert told


def test_a_write_that_fails_leaves_the_old_file_and_no_other(tmp_path, monkeypatch):
    path = tmp_path / "a"
    write_atomically(path, "old")

    def no(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", no)
    with pytest.raises(OSError, match="No space"):
        write_atomically(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
