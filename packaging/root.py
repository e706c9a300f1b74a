"""Makes a root directory of a Debian release: `python packaging/root.py SUITE DIRECTORY [PACKAGE…]`, as root.

debootstrap makes it, held to the release's signature. The packages that are named come with what they need, all in
the newest versions that suite and security updates list and that can be had (packaging/debian_archive.py says where
from and what that means). A root that is there already is brought up to date.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote

from debian_archive import ENVIRONMENT, KEYRING, STRICT, gone, mirrors

HERE = Path(__file__).resolve().parent
TIMEOUT_S = 3600
# Each round passes over at least one version that is listed and gone.
ROUNDS = 20


def make(suite: str, directory: Path, packages: Sequence[str]) -> None:
    stamp = directory / ".complete"
    wanted = " ".join((suite, *packages))
    if not stamp.is_file() or stamp.read_text(encoding="utf-8") != wanted:
        _bootstrap(suite, directory)
    if packages:
        settle(suite, directory)
        apt = ["chroot", str(directory), "env", *(f"{key}={value}" for key, value in ENVIRONMENT.items())]
        bring([*apt, "apt-get", *STRICT, "-qq", "-y", "--no-install-recommends"], packages, directory)
        subprocess.run([*apt, "apt-get", "clean"], check=True, timeout=TIMEOUT_S)
    stamp.write_text(wanted, encoding="utf-8")


def _bootstrap(suite: str, directory: Path) -> None:
    subprocess.run([HERE.parent / ".ci" / "debian", "debootstrap", "debian-archive-keyring"], check=True)
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    base, _ = mirrors(suite)[0]
    options = ["--variant=minbase", f"--keyring={KEYRING}", "--force-check-gpg"]
    with (directory.parent / f"{directory.name}.log").open("w+", encoding="utf-8") as log:
        command = ["debootstrap", *options, suite, str(directory), base]
        if subprocess.run(command, stdout=log, stderr=log, check=False, timeout=TIMEOUT_S).returncode:
            log.seek(0)
            raise SystemExit("".join(log.readlines()[-20:]))


def settle(suite: str, directory: Path) -> None:
    """What the root's own apt goes by: the archives, this machine's proxy and names, and no service started."""
    settings = directory / "etc" / "apt"
    for name in ("apt.conf", "apt.conf.d"):
        if (source := Path("/etc/apt") / name).is_file():
            shutil.copyfile(source, settings / name)
        else:
            for path in (
                it for it in source.glob("*") if it.is_file() and not (settings / name / it.name).exists()
            ):
                shutil.copyfile(path, settings / name / path.name)
    for name in ("resolv.conf", "hosts"):
        if Path("/etc", name).is_file():
            shutil.copyfile(Path("/etc", name), directory / "etc" / name)
    policy = directory / "usr" / "sbin" / "policy-rc.d"
    policy.write_text("#!/bin/sh\nexit 101\n", encoding="ascii")
    policy.chmod(0o755)
    lines = [f"deb {base} {name} main\n" for base, name in mirrors(suite)]
    (settings / "sources.list").write_text("".join(lines), encoding="utf-8")


def bring(apt: Sequence[str], packages: Sequence[str], directory: Path) -> None:
    """Upgrades, and installs the packages. A version whose file is gone is passed over until the next run."""
    passed_over = directory / "etc" / "apt" / "preferences.d" / "passed-over"
    passed_over.unlink(missing_ok=True)
    if absent := _run([*apt, "update"]):
        raise SystemExit(f"not in the archive: {', '.join(absent)}")
    for step in (("dist-upgrade",), ("install", *packages)):
        for _ in range(ROUNDS):
            absent = [_named(uri) for uri in _run([*apt, *step])]
            if not absent:
                break
            with passed_over.open("a", encoding="utf-8") as preferences:
                for name, version in absent:
                    print(f"  {name} {version} is listed, but is not to be had", file=sys.stderr)
                    preferences.write(f"Package: {name}\nPin: version *{version}\nPin-Priority: -1\n\n")
        else:
            raise SystemExit(f"too much of what the suite lists is not to be had: {', '.join(packages)}")


def _run(command: Sequence[str]) -> list[str]:
    """Nothing, or the addresses of the files that are gone; anything else that fails ends the build."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=TIMEOUT_S)
    if done.returncode == 0:
        return []
    if absent := gone(done.stderr):
        return absent
    raise SystemExit(f"failed: {' '.join(command[-2:])}\n{done.stdout[-2000:]}{done.stderr[-4000:]}")


def _named(uri: str) -> tuple[str, str]:
    """Package and version of a package's file; the name has the version without its epoch."""
    found = re.search(r"/([^/_]+)_([^/_]+)_[^/_]+\.deb$", unquote(uri))
    if found is None:
        raise SystemExit(f"not in the archive: {uri}")
    return found[1], found[2]


if __name__ == "__main__":
    make(sys.argv[1], Path(sys.argv[2]).resolve(), sys.argv[3:])
