"""A small Debian archive with a signature of its own, on loopback, for packaging/debian_archive.py and root.py."""

from __future__ import annotations

import hashlib
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class Signer:
    """A key of GnuPG's. home: kept short, since the path of the agent's socket is bounded."""

    def __init__(self, home: Path) -> None:
        home.mkdir(mode=0o700)
        self.home = home
        self.keyring = home / "archive.gpg"
        self.gpg(
            "--passphrase", "", "--quick-generate-key", "Archive <archive@example.com>", "ed25519", "sign"
        )
        self.gpg("--output", str(self.keyring), "--export")

    def gpg(self, *words: str) -> None:
        command = ["gpg", "--homedir", str(self.home), "--batch", "--yes", "--quiet", *words]
        subprocess.run(command, check=True, capture_output=True, timeout=60)

    def close(self) -> None:
        subprocess.run(["gpgconf", "--homedir", str(self.home), "--kill", "all"], check=False, timeout=60)


class Archive:
    """Suites and a pool below one directory."""

    def __init__(self, directory: Path, signer: Signer) -> None:
        self.directory, self.signer = directory, signer
        self.listed: dict[tuple[str, str], list[str]] = {}

    def source(self, suite: str, package: str, version: str) -> list[Path]:
        """Adds a source package of two files, which an index lists after publish()."""
        files = [
            self._pooled(f"{package}_{version}.{suffix}", f"{package} {version} {suffix}\n".encode())
            for suffix in ("dsc", "tar.xz")
        ]
        lines = "".join(f"\n {sha256(path)} {path.stat().st_size} {path.name}" for path in files)
        stanza = f"Package: {package}\nVersion: {version}\nDirectory: pool/main\nChecksums-Sha256:{lines}\n"
        self.listed.setdefault((suite, "main/source/Sources"), []).append(stanza)
        return files

    def binary(self, suite: str, package: str, version: str, scratch: Path) -> Path:
        """Adds a package for all architectures, without files."""
        tree = scratch / f"{package}-{version}"
        (tree / "DEBIAN").mkdir(parents=True)
        fields = f"Package: {package}\nVersion: {version}\nArchitecture: all\nMaintainer: Example <it@example.com>\n"
        (tree / "DEBIAN" / "control").write_text(f"{fields}Description: nothing\n")
        path = self._pooled(f"{package}_{version.rpartition(':')[2]}_all.deb", b"")
        subprocess.run(
            ["dpkg-deb", "--build", str(tree), str(path)], check=True, capture_output=True, timeout=60
        )
        stanza = (
            f"{fields}Filename: pool/main/{path.name}\nSize: {path.stat().st_size}\nSHA256: {sha256(path)}\n"
            "Description: nothing\n"
        )
        asked = subprocess.run(["dpkg", "--print-architecture"], check=True, capture_output=True, text=True)
        index = f"main/binary-{asked.stdout.strip()}/Packages"
        self.listed.setdefault((suite, index), []).append(stanza)
        return path

    def withdraw(self, suite: str, version: str) -> None:
        for key, stanzas in self.listed.items():
            if key[0] == suite:
                stanzas[:] = [it for it in stanzas if f"\nVersion: {version}\n" not in it]

    def publish(self, suite: str, *, valid_for: timedelta = timedelta(days=7)) -> Path:
        """Writes and signs the suite's release file; gives it."""
        where = self.directory / "dists" / suite
        where.mkdir(parents=True, exist_ok=True)
        now = datetime.now(UTC)
        lines = [
            f"Origin: Debian\nSuite: {suite}\nCodename: {suite}\nArchitectures: all amd64 arm64\nComponents: main"
        ]
        lines.append(f"Date: {_stamp(min(now, now + valid_for) - timedelta(hours=1))}")
        lines.append(f"Valid-Until: {_stamp(now + valid_for)}\nSHA256:")
        for (owner, name), stanzas in self.listed.items():
            if owner == suite:
                index = where / name
                index.parent.mkdir(parents=True, exist_ok=True)
                index.write_text("\n".join(stanzas))
                lines.append(f" {sha256(index)} {index.stat().st_size} {name}")
        (where / "Release").write_text("\n".join(lines) + "\n")
        self.signer.gpg("--output", str(where / "InRelease"), "--clearsign", str(where / "Release"))
        return where / "InRelease"

    def _pooled(self, name: str, content: bytes) -> Path:
        path = self.directory / "pool" / "main" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _stamp(moment: datetime) -> str:
    return moment.strftime("%a, %d %b %Y %H:%M:%S UTC")


class _Quiet(SimpleHTTPRequestHandler):
    def send_head(self) -> object:
        """Whole files always: what a test publishes twice in one second would be "not modified"."""
        del self.headers["If-Modified-Since"]
        return super().send_head()

    def log_message(self, *_: object) -> None:
        """Nothing."""


@contextmanager
def served(directory: Path) -> Iterator[str]:
    """The address at which the directory is served."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(directory)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
