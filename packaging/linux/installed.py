"""Installs, tries and removes the packages on a Debian without Python: `installed.py --root DIRECTORY DIST`.

The root is a fresh minimal Debian 12 (packaging/root.py). In it: the .deb with dpkg; the .tar.gz unpacked in a home;
the .rpm's files as cpio has them (its own system is not to be had from Debian's packages: dependencies and scripts of
the .rpm are listed, not resolved). Each is tried with --version, demo, selftest, and the screens in tmux. Needs root.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from root import make  # noqa: E402

SUITE = "bookworm"
TMUX = "semscheck-installed"


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("dist", type=Path)
    parser.add_argument("--root", type=Path, default=Path("build/without-python"))
    options = parser.parse_args()
    root = options.root.resolve()
    make(SUITE, root, ())
    if python := _output(
        root, "sh -c 'ls /usr/bin/python* /usr/local/bin/python* 2>/dev/null || true'"
    ).strip():
        raise SystemExit(f"the root has a Python: {python}")
    for suffix, install in INSTALLERS.items():
        packages = sorted(options.dist.glob(f"semscheck*{suffix}"))
        if not packages:
            raise SystemExit(f"no {suffix} in {options.dist}: make package builds them")
        for package in packages:
            print(f"{package.name}:", flush=True)
            install(root, package)
    return 0


def _deb(root: Path, package: Path) -> None:
    before = _tree(root)
    shutil.copyfile(package, root / "tmp" / "semscheck.deb")
    _output(root, "dpkg --install /tmp/semscheck.deb")
    _try(root, "semscheck")
    _site_profile(root)
    for path in ("usr/share/man/man1/semscheck.1.gz", "usr/share/applications/semscheck.desktop"):
        if not (root / path).is_file() and "man" not in path:  # minimal Debians may leave manuals out
            raise SystemExit(f"{path} was not installed")
    _output(root, "dpkg --purge semscheck")
    _nothing_left(root, before)


def _tar(root: Path, package: Path) -> None:
    before = _tree(root)
    home = root / "root"
    subprocess.run(["tar", "--extract", "--file", str(package), "--directory", str(home)], check=True)
    unpacked = next(home.glob("semscheck-*-linux-*"))
    _try(root, f"/root/{unpacked.name}/semscheck")
    shutil.rmtree(unpacked)
    _nothing_left(root, before)


def _rpm(root: Path, package: Path) -> None:
    if shutil.which("rpm") is None:
        subprocess.run([str(HERE.parent.parent / ".ci" / "debian"), "rpm"], check=True)
    needs = subprocess.run(["rpm", "-qpR", str(package)], check=True, capture_output=True, text=True).stdout
    foreign = [line for line in needs.splitlines() if not line.startswith(("glibc ", "rpmlib("))]
    if foreign:
        raise SystemExit(f"{package.name} needs more than the C library: {foreign}")
    before = _tree(root)
    # The root's packages are dpkg's: rpm keeps a database of its own and knows no glibc, hence --nodeps.
    (root / "var" / "lib" / "rpm").mkdir(parents=True, exist_ok=True)
    database = ["--root", str(root), "--dbpath", "/var/lib/rpm", "--nodeps"]
    subprocess.run(["rpm", *database, "--install", str(package)], check=True)
    _try(root, "semscheck")
    _site_profile(root)
    subprocess.run(["rpm", *database, "--erase", "semscheck"], check=True)
    shutil.rmtree(root / "var" / "lib" / "rpm")
    # Directories that every system of that family has are its own; here they stay behind, empty.
    shared = {it for it in _tree(root) if (root / it).is_dir() and "semscheck" not in it}
    _nothing_left(root, before | shared)


INSTALLERS: dict[str, Callable[[Path, Path], None]] = {".deb": _deb, "linux-*.tar.gz": _tar, ".rpm": _rpm}


# --- trying ------------------------------------------------------------------------------------------------


def _try(root: Path, program: str) -> None:
    print(f"  {_output(root, f'{program} --version').strip()}")
    demo = _output(root, f"{program} demo --quiet", expected=2)
    print(f"  demo: {demo.splitlines()[0]}")
    print(f"  selftest: {_output(root, f'{program} selftest').splitlines()[-1]}")
    _screens(root, program)


def _site_profile(root: Path) -> None:
    """As docs/deploying.md has it: a profile in the site's folder is found by a user who has no home."""
    path = root / "etc" / "semscheck" / "profiles" / "keys.toml"
    path.write_text('[target]\nfqdn = "keys.example.com"\n', encoding="ascii")
    path.chmod(0o644)
    asked = "env -u HOME setpriv --reuid 65534 --regid 65534 --clear-groups semscheck profiles"
    told = _output(root, asked)
    if "keys.example.com /etc/semscheck/profiles/keys.toml (the site's)" not in told:
        raise SystemExit(f"the site's profile is not found:\n{told}")
    path.chmod(0o666)
    _output(root, asked, expected=3)
    path.unlink()
    print("  profile of the site: found; refused where others may write it")


def _screens(root: Path, program: str) -> None:
    """As a person would: in a terminal, until the start is painted, then out by q."""
    tmux = ["tmux", "-L", TMUX]
    left = root / "tmp" / "left"
    left.unlink(missing_ok=True)
    command = _within(root, f"sh -c '{program}; echo $? >/tmp/left'")
    subprocess.run([*tmux, "new-session", "-d", "-x", "100", "-y", "32", *command], check=True)
    try:
        began = time.monotonic()
        shown = ""
        while "quit" not in shown.lower():
            if time.monotonic() - began > 30:
                raise SystemExit(f"the screens were not painted:\n{shown}")
            time.sleep(0.05)
            shown = subprocess.run(
                [*tmux, "capture-pane", "-p"], capture_output=True, text=True, check=False, timeout=10
            ).stdout
        print(f"  screens: painted after {time.monotonic() - began:.1f} s")
        subprocess.run([*tmux, "send-keys", "q"], check=True)
        while not left.is_file() or not left.read_text():
            if time.monotonic() - began > 60:
                raise SystemExit("q does not end the screens")
            time.sleep(0.05)
    finally:
        subprocess.run([*tmux, "kill-server"], check=False, capture_output=True)
    if (code := left.read_text().strip()) != "0":
        raise SystemExit(f"the screens ended with {code}")
    left.unlink()


def _within(root: Path, words: str) -> list[str]:
    """A command of the root's, with a /proc of its own; whatever it leaves running ends with it."""
    settings = "HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 TERM=tmux-256color"
    mounts = f"mount -t proc proc {root}/proc && mount --rbind /dev {root}/dev"
    script = f"{mounts} && exec chroot {root} env -i {settings} {words}"
    return ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-ec", script]


def _output(root: Path, words: str, expected: int = 0) -> str:
    done = subprocess.run(_within(root, words), capture_output=True, text=True, check=False, timeout=300)
    if done.returncode != expected:
        raise SystemExit(f"{words}: exit code {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done.stdout


CHANGES = ("proc", "dev", "sys", "run", "tmp", "var/lib/dpkg", "var/log", "var/cache")


def _tree(root: Path) -> set[str]:
    found = set()
    for directory, names, files in os.walk(root):
        here = Path(directory).relative_to(root).as_posix()
        if here.startswith(CHANGES):
            names.clear()
            continue
        found.update(f"{here}/{name}" for name in (*names, *files))
    return found


def _nothing_left(root: Path, before: set[str]) -> None:
    left = sorted(_tree(root) - before)
    if left:
        raise SystemExit(f"left behind: {', '.join(left[:10])}")
    print("  removed; nothing is left")


if __name__ == "__main__":
    sys.exit(main())
