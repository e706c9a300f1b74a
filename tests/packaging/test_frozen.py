"""The packaged program, in a root with the C library and zlib and nothing else: no Python, no shell, no certificates.

Freezes the source as it is, once for all tests and again only where something changed. That takes more than a minute,
so it is part of `make package-test`, which sets SEMSCHECK_PACKAGES, and not of `make test`.
"""

from __future__ import annotations

import fcntl
import hashlib
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

ROOT = Path(__file__).resolve().parents[2]
WORK = ROOT / "build" / "packaging" / "tests"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif("SEMSCHECK_PACKAGES" not in os.environ, reason="make package-test runs these"),
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="roots are Linux's"),
]

# The C library's own files (glibc 2.36's manual, "Libraries"); everything else must be in the folder.
# PyInstaller's starter wants zlib before it knows of the folder's own; dpkg and rpm cannot do without it either.
OF_LIBC = re.compile(
    r"^(ld-linux.*|libc|libm|libdl|libpthread|librt|libutil|libresolv|libnss_\w+|libz)\.so(\.\d+)*$"
)
CHROOT = shutil.which("chroot", path="/usr/sbin:/usr/bin:/sbin:/bin") or "chroot"
FOLDER_MB, ARCHIVE_MB = 42, 19


def source_digest() -> str:
    digest = hashlib.sha256(sys.version.encode())
    for top in ("semscheck", "packaging", "README.md", "LICENSE"):
        paths = [ROOT / top] if (ROOT / top).is_file() else sorted((ROOT / top).rglob("*"))
        for path in paths:
            if path.is_file() and "__pycache__" not in path.parts:
                digest.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


@pytest.fixture(scope="session")
def folder() -> Path:
    """The frozen folder. Of two workers that want it, one makes it."""
    WORK.mkdir(parents=True, exist_ok=True)
    stamp = WORK / "made-from"
    with (WORK / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        digest = source_digest()
        if not stamp.is_file() or stamp.read_text() != digest:
            stamp.unlink(missing_ok=True)
            command = [
                sys.executable,
                ROOT / "packaging" / "packages.py",
                "--work",
                WORK,
                "--out",
                WORK / "out",
            ]
            steps = ["folder", "extras", "bill", "archive"]
            done = subprocess.run(
                [*command, *steps], capture_output=True, text=True, check=False, timeout=900
            )
            assert done.returncode == 0, done.stdout + done.stderr
            stamp.write_text(digest)
    return WORK / "dist" / "semscheck"


@pytest.fixture
def bare(folder, tmp_path) -> Iterator[Path]:
    """A root with the unpacked archive at /opt and the C library."""
    if os.geteuid() != 0:
        pytest.skip("a root of one's own needs root")
    root = tmp_path / "root"
    for name in ("opt", "tmp", "root", "proc", "dev", "etc"):
        (root / name).mkdir(parents=True)
    archive = next((WORK / "out").glob("*.tar.gz"))
    subprocess.run(["tar", "-xf", archive, "-C", root / "opt"], check=True)
    (root / "opt" / archive.name.removesuffix(".tar.gz")).rename(root / "opt" / "semscheck")
    for path in libraries_of_the_system(folder):
        if not OF_LIBC.match(path.name):
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


def test_it_needs_the_c_library_and_zlib_and_nothing_else(folder):
    """Nothing that the starter wants comes from elsewhere; the rest it loads from the folder itself."""
    asked = subprocess.run(["ldd", folder / "semscheck"], capture_output=True, text=True, check=True).stdout
    found = {Path(it) for it in re.findall(r"(/\S+) \(0x", asked)}
    outside = {path.name for path in found if not path.resolve().is_relative_to(folder.resolve())}
    assert all(OF_LIBC.match(name) for name in outside), outside
    foreign = {path.name for path in libraries_of_the_system(folder) if not OF_LIBC.match(path.name)}
    assert foreign <= {path.name for path in folder.rglob("*")}, foreign


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


def test_it_is_as_small_as_promised(folder):
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    archive = next((WORK / "out").glob("*.tar.gz")).stat().st_size
    assert size / 1e6 <= FOLDER_MB
    assert archive / 1e6 <= ARCHIVE_MB


def test_licences_and_bill_are_in_it(folder):
    import json

    bill = json.loads((folder / "bill-of-materials.cdx.json").read_text())
    named = {it["name"] for it in bill["components"]}
    assert {"CPython", "cryptography", "textual", "httpx", "msgspec", "dnspython"} <= named
    kept = {path.name.rsplit("-", 1)[0].lower() for path in (folder / "licences").iterdir()}
    packages = {it["name"] for it in bill["components"] if it.get("purl", "").startswith("pkg:pypi/")}
    assert packages <= {name.replace("_", "-") for name in kept}
    assert (folder / "LICENSE").is_file()


def test_no_list_of_authorities_but_the_systems(folder):
    assert not [path for path in folder.rglob("*.pem") if b"BEGIN CERTIFICATE" in path.read_bytes()]


def test_the_stated_c_library_is_the_one_it_asks_for(folder):
    assert glibc.newest_needed(folder).version <= (2, 36)
