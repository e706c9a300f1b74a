"""The archive that strangers get, in a root with the C library and nothing else: no Python, shell or certificates.

`make package-test` builds it and names it in SEMSCHECK_ARCHIVE. That takes minutes: it is not part of `make test`.
"""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import shutil
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import glibc
import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif("SEMSCHECK_ARCHIVE" not in os.environ, reason="make package-test runs these"),
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="roots are Linux's"),
]

CHROOT = shutil.which("chroot", path="/usr/sbin:/usr/bin:/sbin:/bin") or "chroot"
FOLDER_MB, ARCHIVE_MB = 42, 19


@pytest.fixture(scope="session")
def archive() -> Path:
    return Path(os.environ["SEMSCHECK_ARCHIVE"]).resolve()


@pytest.fixture(scope="session")
def folder(archive, tmp_path_factory) -> Path:
    """The archive, unpacked: one directory, of the archive's name."""
    where = tmp_path_factory.mktemp("unpacked")
    subprocess.run(["tar", "-xf", archive, "-C", where], check=True)
    assert [path.name for path in where.iterdir()] == [archive.name.removesuffix(".tar.gz")]
    return where / archive.name.removesuffix(".tar.gz")


@pytest.fixture
def bare(folder, tmp_path) -> Iterator[Path]:
    """A root with the folder at /opt and the C library, of which only what the folder's files ask for."""
    if os.geteuid() != 0:
        pytest.skip("a root of one's own needs root")
    root = tmp_path / "root"
    for name in ("opt", "tmp", "root", "proc", "dev", "etc"):
        (root / name).mkdir(parents=True)
    shutil.copytree(folder, root / "opt" / "semscheck", symlinks=True)
    for path in libraries_of_the_system(folder):
        if not glibc.OF_LIBC.match(path.name):
            continue  # must come from the folder
        target = root / str(path).lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    for name, minor in (("null", 3), ("urandom", 9)):
        os.mknod(root / "dev" / name, 0o20666, os.makedev(1, minor))
    return root


def libraries_of_the_system(folder: Path) -> set[Path]:
    """What the folder's files load from outside of it."""
    found: set[Path] = set()
    for path in folder.rglob("*"):
        if path.is_file() and path.read_bytes()[:4] == b"\x7fELF":
            asked = subprocess.run(["ldd", path], capture_output=True, text=True, check=False)
            for line in asked.stdout.splitlines():
                match = re.search(r"(?:=> )?(/\S+) \(0x", line)
                if match and not Path(match[1]).resolve().is_relative_to(folder.resolve()):
                    found.add(Path(match[1]))
    return found


def run(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [CHROOT, root, "/opt/semscheck/semscheck", *arguments],
        env={"HOME": "/root", "LANG": "C.UTF-8"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_it_needs_the_c_library_and_nothing_else(folder):
    """By what the files say, and by what the dynamic linker finds for the starter, which comes first."""
    assert glibc.foreign(folder, "semscheck") == ()
    asked = subprocess.run(["ldd", folder / "semscheck"], capture_output=True, text=True, check=True).stdout
    found = {Path(it).name for it in re.findall(r"(/\S+) \(0x", asked)}
    assert found
    assert all(glibc.OF_LIBC.match(name) for name in found), found


def test_the_root_has_no_zlib_of_its_own(bare):
    """Nothing outside of the folder that the tests below could be relying on."""
    outside = [path for path in bare.rglob("*.so*") if not path.is_relative_to(bare / "opt")]
    assert outside
    assert all(glibc.OF_LIBC.match(path.name) for path in outside), outside


def test_it_runs_where_there_is_no_python(bare):
    assert not list(bare.rglob("python3*.exe")) + list(bare.glob("usr/bin/*"))
    version = run(bare, "--version")
    assert (version.returncode, version.stderr) == (0, "")
    assert version.stdout.startswith("semscheck ")


def test_its_self_test_passes_there(bare):
    told = run(bare, "selftest")
    assert told.returncode == 0, told.stdout
    assert ", packaged;" in told.stdout
    assert "this system has no authorities installed" in told.stdout


def test_the_demo_finds_what_it_is_there_to_show(bare):
    told = run(bare, "demo", "--quiet")
    assert told.returncode == 2
    assert "BAL001" in told.stdout


def test_the_system_store_is_found_where_other_distributions_keep_it(bare):
    """Fedora's place; the bundled OpenSSL looks only where Debian has it."""
    bundle = Path("/etc/ssl/certs/ca-certificates.crt")
    if not bundle.is_file():
        pytest.skip("needs authorities to put there (ca-certificates)")
    place = bare / "etc/pki/ca-trust/extracted/pem"
    place.mkdir(parents=True)
    shutil.copy(bundle, place / "tls-ca-bundle.pem")
    told = run(bare, "selftest").stdout
    count = re.search(r"trust +(\d+) authorities of this system", told)
    assert count, told
    assert int(count[1]) > 50


def test_the_screens_start_and_end(bare):
    """On a terminal of the test's own: painted, and q leaves with 0."""
    child, terminal = pty.fork()
    if child == 0:
        os.chroot(bare)
        os.chdir("/")
        settings = {"HOME": "/root", "LANG": "C.UTF-8", "TERM": "xterm-256color"}
        os.execve("/opt/semscheck/semscheck", ["/opt/semscheck/semscheck"], settings)
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 32, 100, 0, 0))
    try:
        shown = read_until(terminal, b"semscheck")
        read_until(terminal, b"Quit", shown)
        os.write(terminal, b"q")
        code = ended(child, terminal)
    except BaseException:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        raise
    finally:
        os.close(terminal)
    assert code == 0


def read_until(terminal: int, wanted: bytes, shown: bytes = b"", deadline_s: float = 60) -> bytes:
    """What came until the words are there, escape sequences aside."""
    end = time.monotonic() + deadline_s
    while wanted not in re.sub(rb"\x1b\[[0-9;?]*[A-Za-z]", b"", shown):
        ready, _, _ = select.select([terminal], [], [], max(0.0, end - time.monotonic()))
        assert ready, f"{wanted!r} did not come: {shown[-2000:]!r}"
        shown += os.read(terminal, 65536)
    return shown


def ended(child: int, terminal: int, deadline_s: float = 60) -> int:
    """The exit code; reads meanwhile, so that the last output is taken."""
    end = time.monotonic() + deadline_s
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        ready, _, _ = select.select([terminal], [], [], 0.05)
        if ready:
            try:
                os.read(terminal, 65536)
            except OSError:  # the other side is closed: it is ending
                time.sleep(0.05)
    raise AssertionError("q does not end the screens")


def test_it_is_as_small_as_promised(archive, folder):
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    assert size / 1e6 <= FOLDER_MB
    assert archive.stat().st_size / 1e6 <= ARCHIVE_MB


def test_licences_and_bill_are_in_it(folder):
    import json

    bill = json.loads((folder / "bill-of-materials.cdx.json").read_text())
    named = {it["name"] for it in bill["components"]}
    assert {"CPython", "cryptography", "textual", "httpx", "msgspec", "dnspython"} <= named
    kept = {path.name.rsplit("-", 1)[0].lower() for path in (folder / "licences").iterdir()}
    packages = {it["name"] for it in bill["components"] if it.get("purl", "").startswith("pkg:pypi/")}
    assert packages <= {name.replace("_", "-") for name in kept}
    sources = {it["name"]: it for it in bill["components"] if it.get("purl", "").startswith("pkg:deb/")}
    for name in ("openssl", "python3.13"):
        assert {it["type"] for it in sources[name]["externalReferences"]} == {"source-distribution"}
        assert all(it["hashes"] for it in sources[name]["externalReferences"])
    assert {"cpython", "zlib"} <= kept  # zlib: in the starter
    assert (folder / "LICENSE").is_file()


def test_no_list_of_authorities_but_the_systems(folder):
    assert not [path for path in folder.rglob("*.pem") if b"BEGIN CERTIFICATE" in path.read_bytes()]


def test_the_c_library_is_as_old_as_stated(folder):
    """docs/packaging.md, "The oldest system"."""
    assert glibc.newest_needed(folder).version <= (2, 30)
