"""What is built from Debian's sources: the newest to be had, nothing unsigned, and the same again from the record.

With apt, GnuPG and an archive made here.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from datetime import timedelta
from pathlib import Path

import debian_archive
import pytest
import root

from .signed_archive import Archive, Signer, served, sha256

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(
        not shutil.which("apt-get") or not shutil.which("gpg"), reason="Debian's apt and GnuPG"
    ),
]
SUITE, SECURITY = "suite", "suite-security"


@pytest.fixture(scope="module")
def signer():
    with tempfile.TemporaryDirectory(prefix="gpg") as directory:
        made = Signer(Path(directory) / "k")
        yield made
        made.close()


@pytest.fixture
def debian(tmp_path, signer, monkeypatch):
    """An archive of two suites, at .base; version 1.0 of openssl in the one, 1.0+fix in the other."""
    made = Archive(tmp_path / "archive", signer)
    made.source(SUITE, "openssl", "1.0")
    made.source(SECURITY, "openssl", "1.0+fix")
    made.source(SUITE, "python", "3~rc1")
    made.publish(SUITE)
    made.publish(SECURITY)
    with served(made.directory) as base:
        for name in ("DEBIAN_MIRROR", "DEBIAN_SECURITY_MIRROR"):
            monkeypatch.setenv(name, base)
        monkeypatch.delenv("DEBIAN_ARCHIVES", raising=False)
        monkeypatch.setattr(debian_archive, "KEYRING", signer.keyring)
        made.base = base
        yield made


@pytest.fixture
def store(tmp_path):
    path = tmp_path / "store"
    path.mkdir()
    return path


def index(store):
    return debian_archive.Index(store / "apt", debian_archive.mirrors(SUITE))


def taken(store, package="openssl"):
    return debian_archive.newest(index(store), package, store)


def test_the_newest_of_suite_and_security_is_taken(debian, store):
    found = taken(store)
    assert (found.version, found.passed_over) == ("1.0+fix", ())
    assert {file.name: file.sha256 for file in found.files} == {
        path.name: sha256(path) for path in (debian.directory / "pool/main").glob("openssl_1.0+fix*")
    }
    assert all(sha256(store / file.name) == file.sha256 for file in found.files)


def test_versions_are_ordered_as_debian_orders_them(debian, store):
    for version in ("1.0~rc1", "1.0+fix2", "1:0.1", "1.0+fix10"):
        debian.source(SUITE, "openssl", version)
    debian.publish(SUITE)
    versions = [it.version for it in index(store).versions("openssl")]
    assert versions == ["1:0.1", "1.0+fix10", "1.0+fix2", "1.0+fix", "1.0", "1.0~rc1"]


@pytest.mark.parametrize("suffix", ["dsc", "tar.xz"])
def test_a_version_that_is_listed_but_gone_is_passed_over(debian, store, capsys, suffix):
    (debian.directory / f"pool/main/openssl_1.0+fix.{suffix}").unlink()
    found = taken(store)
    assert (found.version, found.passed_over) == ("1.0", ("1.0+fix",))
    assert f"openssl_1.0+fix.{suffix} is not to be had" in capsys.readouterr().err


def test_a_new_version_is_taken_on_the_next_day(debian, store):
    assert taken(store).version == "1.0+fix"
    debian.withdraw(SECURITY, "1.0+fix")
    debian.source(SECURITY, "openssl", "1.0+fix2")
    debian.publish(SECURITY)
    (debian.directory / "pool/main/openssl_1.0+fix.dsc").unlink()
    assert taken(store).version == "1.0+fix2"


def test_nothing_to_be_had_is_an_error_that_names_the_versions(debian, store):
    for path in (debian.directory / "pool/main").glob("openssl_*.dsc"):
        path.unlink()
    with pytest.raises(SystemExit, match=r"1\.0\+fix, 1\.0\b"):
        taken(store)
    with pytest.raises(SystemExit, match="nothing"):
        taken(store, "unheard-of")


# --- what is not as it was signed --------------------------------------------------------------------------


def swap(path: Path, old: bytes, new: bytes) -> None:
    content = path.read_bytes()
    assert old in content
    path.write_bytes(content.replace(old, new))


@pytest.mark.parametrize("known", [False, True], ids=["first time", "known before"])
@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("main/source/Sources", b"Version: 1.0\n", b"Version: 9.0\n"),
        ("InRelease", b"Codename: suite", b"Codename: other"),
    ],
)
def test_a_tampered_index_ends_the_build(debian, store, known, name, old, new):
    if known:
        taken(store)
        debian.source(SUITE, "openssl", "1.1")
        debian.publish(SUITE)
    swap(debian.directory / "dists" / SUITE / name, old, new)
    with pytest.raises(SystemExit, match=r"(?i)mismatch|signature|unexpected size|not signed"):
        taken(store)


def test_an_unsigned_suite_ends_the_build(debian, store):
    (debian.directory / "dists" / SUITE / "InRelease").unlink()
    with pytest.raises(SystemExit, match="not signed"):
        taken(store)


def test_a_strangers_signature_ends_the_build(debian, store):
    with tempfile.TemporaryDirectory(prefix="gpg") as directory:
        stranger = Signer(Path(directory) / "k")
        debian.signer = stranger
        debian.publish(SECURITY)
        stranger.close()
    with pytest.raises(SystemExit, match=r"(?i)signature|not signed"):
        taken(store)


@pytest.fixture
def settings(tmp_path, monkeypatch):
    """Sets this machine's apt: to these lines, and to nothing that its own files say."""

    def use(*lines: str) -> None:
        away = ["Dir::Etc::parts", "Dir::Etc::main"]
        text = "".join(f'{name} "{tmp_path}/none";\n' for name in away)
        (tmp_path / "apt.conf").write_text(text + "\n".join(lines))
        monkeypatch.setenv("APT_CONFIG", str(tmp_path / "apt.conf"))

    return use


def test_an_expired_release_ends_the_build(debian, store, settings):
    settings()
    assert debian_archive.dates_are_checked()
    assert taken(store).version == "1.0+fix"
    debian.publish(SECURITY, valid_for=timedelta(days=-1))
    with pytest.raises(SystemExit, match="is expired"):
        taken(store)


@pytest.mark.parametrize("setting", ["Acquire::Check-Valid-Until", "Acquire::Check-Date"])
def test_an_archive_that_stands_still_on_purpose_is_taken_and_said(debian, store, settings, setting):
    settings(f'{setting} "false";')
    debian.publish(SECURITY, valid_for=timedelta(days=-1))
    assert taken(store).version == "1.0+fix"
    debian_archive.write(store / "sources.json", [], [], [])
    assert json.loads((store / "sources.json").read_text())["dates_checked"] is False


def test_no_setting_of_this_machines_lets_anything_unsigned_in(debian, store, settings):
    loose = (
        "Acquire::AllowInsecureRepositories",
        "Acquire::AllowWeakRepositories",
        "APT::Get::AllowUnauthenticated",
    )
    settings(*(f'{name} "true";' for name in loose))
    (debian.directory / "dists" / SUITE / "InRelease").unlink()
    with pytest.raises(SystemExit, match="not signed"):
        taken(store)


@pytest.mark.parametrize("content", [b"openssl 1.0+fix DSC\n", b"much longer than what was listed " * 9])
def test_a_tampered_file_ends_the_build_and_no_older_one_is_taken(debian, store, content):
    (debian.directory / "pool/main/openssl_1.0+fix.dsc").write_bytes(content)
    with pytest.raises(SystemExit, match=r"(?i)mismatch|unexpected size"):
        taken(store)
    assert not list(store.glob("openssl*"))


def test_a_file_in_the_store_that_is_another_is_fetched_again(debian, store):
    (store / "openssl_1.0+fix.dsc").write_bytes(b"openssl 1.0+fix DSC\n")
    assert taken(store).version == "1.0+fix"
    assert (store / "openssl_1.0+fix.dsc").read_bytes() == b"openssl 1.0+fix dsc\n"


@pytest.mark.parametrize("name", ["../openssl.dsc", "/openssl.dsc", ".hidden"])
def test_a_file_outside_of_the_store_is_refused(store, name):
    source = debian_archive.Source("openssl", "1", "pool", (debian_archive.File(name, 1, "0" * 64),))
    with pytest.raises(SystemExit, match="is called"):
        debian_archive.fetch(source, store)


def test_an_archive_that_does_not_answer_is_not_one_that_lacks_the_file(debian, store, monkeypatch):
    monkeypatch.setattr(debian_archive, "STRICT", (*debian_archive.STRICT, "-o", "Acquire::Retries=0"))
    source = index(store).versions("openssl")[0]
    away = debian_archive.Source(
        source.package, source.version, source.directory, source.files, ("http://127.0.0.1:1",)
    )
    with pytest.raises(SystemExit, match=r"(?i)connect"):
        debian_archive.fetch(away, store)


# --- again, from the record --------------------------------------------------------------------------------


@pytest.fixture
def record(debian, tmp_path):
    """Of a build of 1.0+fix, which is then replaced: out of the index and out of the pool, kept in .kept."""
    before = tmp_path / "before"
    before.mkdir()
    written = before / "sources.json"
    debian_archive.write(written, [taken(before)], index(before).releases(), ["libc6 amd64 2.31"])
    debian.kept = tmp_path / "kept"
    shutil.copytree(debian.directory / "pool", debian.kept / "pool")
    debian.withdraw(SECURITY, "1.0+fix")
    debian.source(SECURITY, "openssl", "1.0+fix2")
    debian.publish(SECURITY)
    for path in (debian.directory / "pool/main").glob("openssl_1.0+fix.*"):
        path.unlink()
    return written


def test_the_record_says_what_and_of_when_but_not_from_where(debian, record):
    text = record.read_text()
    assert "127.0.0.1" not in text
    said = json.loads(text)
    assert {it["suite"] for it in said["releases"]} == {SUITE, SECURITY}
    assert all(it["date"].endswith("UTC") for it in said["releases"])
    assert [it["version"] for it in said["sources"]] == ["1.0+fix"]
    assert all(len(file["sha256"]) == 64 for it in said["sources"] for file in it["files"])
    assert said["root"] == ["libc6 amd64 2.31"]


def test_a_record_is_followed_to_an_archive_that_keeps_old_versions(debian, record, store, monkeypatch):
    assert taken(store).version == "1.0+fix2"
    with served(debian.kept) as base:
        monkeypatch.setenv("DEBIAN_ARCHIVES", f"{debian.base} {base}")
        [found] = debian_archive.fetch_recorded(record, store)
    assert found.version == "1.0+fix"
    assert (store / "openssl_1.0+fix.dsc").read_bytes() == b"openssl 1.0+fix dsc\n"


def test_a_record_needs_no_archive_for_files_that_were_kept(debian, record, store):
    for path in (debian.kept / "pool/main").glob("openssl_1.0+fix.*"):
        shutil.copy(path, store)
    [found] = debian_archive.fetch_recorded(record, store)
    assert found.version == "1.0+fix"


def test_a_record_that_nobody_can_serve_is_an_error_that_names_the_file(debian, record, store):
    with pytest.raises(SystemExit, match=r"openssl_1\.0\+fix\.dsc is in no archive"):
        debian_archive.fetch_recorded(record, store)


def test_a_record_is_held_to_its_hashes(debian, record, store, monkeypatch):
    (debian.kept / "pool/main/openssl_1.0+fix.dsc").write_bytes(b"openssl 1.0+fix DSC\n")
    with served(debian.kept) as base:
        monkeypatch.setenv("DEBIAN_ARCHIVES", base)
        with pytest.raises(SystemExit, match=r"(?i)mismatch"):
            debian_archive.fetch_recorded(record, store)


def run(monkeypatch, capsys, *words: object) -> str:
    monkeypatch.setattr(sys, "argv", ["debian_archive.py", *map(str, words)])
    assert debian_archive.main() == 0
    return capsys.readouterr().out.strip()


@pytest.mark.skipif(os.geteuid() != 0, reason="looks into a root, as root")
def test_from_one_day_to_the_next_and_back_by_the_record(debian, store, tmp_path, monkeypatch, capsys):
    old = run(monkeypatch, capsys, SUITE, store, "--root", "/", "openssl", "python")
    assert run(monkeypatch, capsys, SUITE, store, "--root", "/", "openssl", "python") == old
    record = shutil.copy(store / "sources.json", tmp_path / "record.json")
    debian.source(SECURITY, "openssl", "1.0+fix2")
    debian.publish(SECURITY)
    assert run(monkeypatch, capsys, SUITE, store, "--root", "/", "openssl", "python") != old
    assert run(monkeypatch, capsys, SUITE, store, "--root", "/", "--record", record) == old
    assert (store / "sources.json").read_bytes() == Path(record).read_bytes()
    said = json.loads(Path(record).read_text())
    said["root"][0] += "+other"
    Path(record).write_text(json.dumps(said))
    with pytest.raises(SystemExit, match=r"in one of them only:\n(.*\n)*.*\+other"):
        run(monkeypatch, capsys, SUITE, store, "--root", "/", "--record", record)


# --- where archives are ------------------------------------------------------------------------------------


def test_a_suite_that_has_moved_is_found_where_it_went(debian, tmp_path, monkeypatch):
    shutil.move(debian.directory / "dists" / SUITE, tmp_path / "moved" / "dists" / SUITE)
    with pytest.raises(SystemExit, match="no archive has suite any more"):
        debian_archive.mirrors(SUITE)
    with served(tmp_path / "moved") as base:
        monkeypatch.setenv("DEBIAN_ARCHIVES", base)
        assert debian_archive.mirrors(SUITE) == ((base, SUITE), (debian.base, SECURITY))


# --- packages in a root ------------------------------------------------------------------------------------


@pytest.fixture
def own(debian, tmp_path):
    """An apt with a root directory of its own, that fetches and does not install; and that directory."""
    where = tmp_path / "root"
    for name in (
        "etc/apt/preferences.d",
        "var/lib/apt/lists/partial",
        "var/cache/apt/archives/partial",
        "var/lib/dpkg",
    ):
        (where / name).mkdir(parents=True)
    (where / "var/lib/dpkg/status").write_text("")
    for version in ("1:1.0", "1:1.1"):
        debian.binary(SUITE, "tool", version, tmp_path)
    debian.binary(SECURITY, "tool", "1:1.1+fix", tmp_path)
    debian.publish(SUITE)
    debian.publish(SECURITY)
    lines = [
        f"deb [signed-by={debian_archive.KEYRING}] {base} {name} main\n"
        for base, name in debian_archive.mirrors(SUITE)
    ]
    (where / "etc/apt/sources.list").write_text("".join(lines))
    options = ["-o", f"Dir={where}", "-o", f"Dir::State::status={where}/var/lib/dpkg/status"]
    return [
        "apt-get",
        *debian_archive.STRICT,
        *options,
        "-o",
        "APT::Sandbox::User=root",
        "--download-only",
        "-y",
    ], where


def fetched(where):
    return [path.name for path in (where / "var/cache/apt/archives").glob("*.deb")]


def test_a_root_has_the_newest(own):
    apt, where = own
    root.bring(apt, ["tool"], where)
    assert fetched(where) == ["tool_1%3a1.1+fix_all.deb"]


def test_a_package_that_is_listed_but_gone_is_passed_over_until_it_is_there(own, debian, tmp_path, capsys):
    apt, where = own
    for version in ("1.1+fix", "1.1"):
        (debian.directory / f"pool/main/tool_{version}_all.deb").rename(tmp_path / f"{version}.deb")
    root.bring(apt, ["tool"], where)
    assert fetched(where) == ["tool_1%3a1.0_all.deb"]
    said = capsys.readouterr().err
    assert "tool 1.1+fix is listed, but is not to be had" in said
    (tmp_path / "1.1+fix.deb").rename(debian.directory / "pool/main/tool_1.1+fix_all.deb")
    root.bring(apt, ["tool"], where)
    assert "tool_1%3a1.1+fix_all.deb" in fetched(where)


def test_a_tampered_package_ends_the_build(own, debian):
    apt, where = own
    path = debian.directory / "pool/main/tool_1.1+fix_all.deb"
    path.write_bytes(path.read_bytes()[::-1])
    with pytest.raises(SystemExit, match=r"(?i)mismatch"):
        root.bring(apt, ["tool"], where)
    assert fetched(where) == []
