"""The same input gives the same bytes, whatever the order, the time, the owner and the mask were."""

from __future__ import annotations

import io
import os
import tarfile
import zipfile

import packages
import pytest

EPOCH = 1_700_000_000


@pytest.fixture
def folder(tmp_path):
    """Files written in another order and with other times than names have."""

    def make(name: str, backwards: bool) -> dict[str, object]:
        root = tmp_path / name
        contents = {"p/run": b"#!/bin/sh\n", "p/lib/b.so": b"\x7fELF" * 100, "p/lib/a.txt": b"text\n"}
        for key in sorted(contents, reverse=backwards):
            path = root / key
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(contents[key])
            path.chmod(0o700 if key.endswith("run") else 0o600 if backwards else 0o664)
            os.utime(path, (len(name) * 1000, len(name) * 1000))
        (root / "p" / "link").symlink_to("run")
        found = {key: root / key for key in [*contents, "p/link"]}
        return dict(sorted(found.items(), reverse=backwards))

    return make


@pytest.mark.parametrize("write", [packages.write_tar, packages.write_zip])
def test_twice_the_same_bytes(tmp_path, folder, write):
    one, two = tmp_path / "one", tmp_path / "two"
    write(one, folder("first", backwards=False), EPOCH)
    write(two, folder("second-one", backwards=True), EPOCH)
    assert one.read_bytes() == two.read_bytes()


@pytest.mark.parametrize("write", [packages.write_tar, packages.write_zip])
def test_another_content_gives_other_bytes(tmp_path, folder, write):
    files = folder("first", backwards=False)
    write(tmp_path / "one", files, EPOCH)
    files["p/lib/a.txt"].write_bytes(b"Text\n")
    write(tmp_path / "two", files, EPOCH)
    assert (tmp_path / "one").read_bytes() != (tmp_path / "two").read_bytes()


def test_what_can_be_run_stays_so_and_nobody_owns_it(tmp_path, folder):
    target = tmp_path / "it.tar.gz"
    packages.write_tar(target, folder("first", backwards=True), EPOCH)
    with tarfile.open(target) as archive:
        members = {it.name: it for it in archive.getmembers()}
    assert {name: it.mode for name, it in members.items() if it.isfile()} == {
        "p/run": 0o755,
        "p/lib/a.txt": 0o644,
        "p/lib/b.so": 0o644,
    }
    assert members["p/link"].issym()
    assert {(it.uid, it.gid, it.uname, it.mtime) for it in members.values()} == {(0, 0, "", EPOCH)}


def test_the_zip_is_readable_and_in_order(tmp_path, folder):
    target = tmp_path / "it.zip"
    packages.write_zip(target, folder("first", backwards=True), EPOCH)
    with zipfile.ZipFile(io.BytesIO(target.read_bytes())) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["p/lib/a.txt", "p/lib/b.so", "p/link", "p/run"]
        assert archive.getinfo("p/run").external_attr >> 16 & 0o777 == 0o755


def test_what_differs_is_named(tmp_path, folder):
    folder("first", backwards=False)
    folder("second", backwards=True)
    (tmp_path / "second/p/lib/b.so").write_bytes(b"other")
    (tmp_path / "second/p/more").write_bytes(b"")
    assert packages.differing(tmp_path / "first", tmp_path / "second") == ["p/lib/b.so", "p/more"]
