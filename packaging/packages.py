"""Builds what strangers get: `python packaging/packages.py STEP …`, each step once, in the order given.

    folder    the frozen program, with licences and bundled.json beside it       (PyInstaller, in an environment
                                                                                  of locked, hashed packages)
    selftest  runs the frozen program's own self-test; a part that is missing fails the build
    extras    manual page, from the command line's own grammar, and the completions that the frozen program prints
    bill      the bill of materials (CycloneDX), and the record of the sources that the root's Python was built from
    archive   .tar.gz (Windows, macOS: .zip) and its SHA-256
    packages  .deb and .rpm (nfpm)
    wheel     wheel and sdist
    verify    builds folder, archive and packages a second time elsewhere, and compares the bytes

All but the folder needs nothing from the machine but Python. Files go to --out; what is reused to --work.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import os
import platform
import re
import shutil
import stat
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
WINDOWS = sys.platform == "win32"
# Where there is no history (an unpacked sdist): the day of the first release.
NO_HISTORY_EPOCH = 1_767_225_600
FREEZE_TIMEOUT_S = 1800


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """Where everything is. python: the one that makes the environments. root: to freeze in; None: here. profiles: a
    site's, to ship beside the program; None: none."""

    work: Path
    out: Path
    python: str
    epoch: int
    version: str
    root: Path | None = None
    profiles: Path | None = None

    @property
    def folder(self) -> Path:
        return self.work / "dist" / "semscheck"

    @property
    def notes(self) -> Path:
        return self.work / "dist" / "bundled.json"

    @property
    def extras(self) -> Path:
        return self.work / "extras"

    @property
    def program(self) -> Path:
        return self.folder / ("semscheck.exe" if WINDOWS else "semscheck")

    @property
    def name(self) -> str:
        return f"semscheck-{self.version}-{system()}-{architecture()}"

    @property
    def archive(self) -> Path:
        return self.out / f"{self.name}{'.tar.gz' if sys.platform.startswith('linux') else '.zip'}"

    def environment(self) -> dict[str, str]:
        """What must be the same for the same bytes, and nothing of whoever builds."""
        dropped = ("PYTHON", "SSL_CERT", "REQUESTS_CA")
        kept = {key: value for key, value in os.environ.items() if not key.startswith(dropped)}
        return kept | {
            "SOURCE_DATE_EPOCH": str(self.epoch),
            "PYTHONHASHSEED": "1",
            "LC_ALL": "C",
            "TZ": "UTC",
        }


def system() -> str:
    return {"win32": "windows", "darwin": "macos"}.get(sys.platform, "linux")


def architecture() -> str:
    machine = platform.machine().lower()
    return {"amd64": "x86_64", "aarch64": "arm64"}.get(machine, machine)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("steps", nargs="+", choices=list(STEPS), metavar="STEP")
    parser.add_argument("--work", type=Path, default=ROOT / "build" / "packaging")
    parser.add_argument("--out", type=Path, default=ROOT / "dist")
    parser.add_argument("--python", default=sys.executable, help="the Python to freeze with")
    parser.add_argument(
        "--root", type=Path, help="freeze in this root, as packaging/linux/old-python makes it"
    )
    parser.add_argument(
        "--profiles", type=Path, help="ship the profiles (*.toml) of this folder in the packages"
    )
    options = parser.parse_args(arguments)
    build = Build(
        work=options.work.resolve(),
        out=options.out.resolve(),
        python=options.python,
        epoch=_epoch(),
        version=_version(),
        root=options.root.resolve() if options.root is not None else None,
        profiles=options.profiles,
    )
    build.work.mkdir(parents=True, exist_ok=True)
    build.out.mkdir(parents=True, exist_ok=True)
    for name in options.steps:
        print(f"{name}:", flush=True)
        STEPS[name](build)
    return 0


def _version() -> str:
    text = (ROOT / "semscheck" / "__init__.py").read_text(encoding="utf-8")
    found = re.search(r'^__version__ = "([^"]+)"$', text, re.MULTILINE)
    if found is None:
        raise SystemExit("semscheck/__init__.py has no version")
    return found[1]


def _epoch() -> int:
    """The last commit's time, so that the same commit gives the same bytes whenever it is built."""
    given = os.environ.get("SOURCE_DATE_EPOCH")
    if given:
        return int(given)
    asked = subprocess.run(
        ["git", "-C", str(ROOT), "log", "-1", "--format=%ct"], capture_output=True, text=True, check=False
    )
    return int(asked.stdout) if asked.returncode == 0 and asked.stdout.strip() else NO_HISTORY_EPOCH


def _run(build: Build, *command: str | Path, timeout_s: float = 600, **more: str) -> None:
    environment = build.environment() | more
    done = subprocess.run(
        [str(part) for part in command], env=environment, cwd=ROOT, check=False, timeout=timeout_s
    )
    if done.returncode:
        raise SystemExit(f"failed with {done.returncode}: {' '.join(map(str, command))}")


# --- environments ------------------------------------------------------------------------------------------


def _environment_of(build: Build, name: str) -> Path:
    """The directory with the programs of an environment of locked, hashed packages; made where it is not current."""
    locked = HERE / "requirements" / f"{name}.txt"
    where = build.work / f"environment-{name}"
    programs = where / ("Scripts" if WINDOWS else "bin")
    stamp = where / ".made-for"
    wanted = f"{build.python}\n{hashlib.sha256(locked.read_bytes()).hexdigest()}\n"
    if stamp.is_file() and stamp.read_text() == wanted:
        return programs
    shutil.rmtree(where, ignore_errors=True)
    _run(build, build.python, "-m", "venv", where)
    python = programs / ("python.exe" if WINDOWS else "python")
    _run(build, python, "-m", "pip", "install", "--quiet", "--require-hashes", "-r", locked)
    stamp.write_text(wanted)
    return programs


# --- steps -------------------------------------------------------------------------------------------------


def make_folder(build: Build) -> None:
    shutil.rmtree(build.work / "dist", ignore_errors=True)
    if build.root is None:
        freeze_here(build)
    else:
        freeze_in(build, build.root)
    for name in ("LICENSE", "README.md"):
        shutil.copyfile(ROOT / name, build.folder / name)
    if build.profiles is not None:
        ship(build.profiles, build.folder)
    files = [path for path in build.folder.rglob("*") if path.is_file()]
    print(
        f"  {build.folder}: {sum(path.stat().st_size for path in files) / 2**20:.1f} MiB in {len(files)} files"
    )


def ship(profiles: Path, folder: Path) -> None:
    """The site's profiles, into the folder beside the program where it looks for them."""
    found = sorted(profiles.glob("*.toml"))
    if not found:
        raise SystemExit(f"{profiles} has no *.toml")
    (folder / "profiles").mkdir()
    for path in found:
        shutil.copyfile(path, folder / "profiles" / path.name)


def freeze_here(build: Build) -> None:
    programs = _environment_of(build, "program")
    if sys.platform.startswith("linux"):  # elsewhere PyInstaller's own asks for nothing that the system lacks
        sources = _starter_sources(build)
        _run(build, programs / "python", HERE / "starter.py", sources, build.work / "starter" / "tree")
    options = _freezing(build.work / "dist", build.work / "freeze")
    more = {"PYINSTALLER_CONFIG_DIR": str(build.work / "pyinstaller")}
    _run(
        build, programs / "pyinstaller", *options, HERE / "semscheck.spec", timeout_s=FREEZE_TIMEOUT_S, **more
    )


def _freezing(target: Path, work: Path) -> tuple[str, ...]:
    return ("--noconfirm", "--clean", "--log-level=ERROR", f"--distpath={target}", f"--workpath={work}")


def freeze_in(build: Build, root: Path) -> None:
    """The same in a root of an older system. Packages are fetched out here; nothing in there has a network."""
    inside = root / "opt" / "semscheck"
    shutil.rmtree(inside, ignore_errors=True)
    for name in ("semscheck", "packaging"):
        shutil.copytree(ROOT / name, inside / name, ignore=shutil.ignore_patterns("__pycache__"))
    locked = inside / "packaging" / "requirements" / "program.txt"
    _run(build, *_fetching(root), "-r", locked, "-d", inside / "wheels", timeout_s=900)
    pip = next((inside / "wheels").glob("pip-*.whl")).name
    install = [
        "--no-index",
        "--find-links=wheels",
        "--require-hashes",
        "--quiet",
        "--root-user-action=ignore",
    ]
    _within(build, root, f"wheels/{pip}/pip", "install", *install, "-r", "packaging/requirements/program.txt")
    sources = shutil.copy(_starter_sources(build), inside)
    _within(build, root, "packaging/starter.py", Path(sources).name, "starter")
    options = _freezing(Path("dist"), Path("freeze"))
    _within(build, root, "-m", "PyInstaller", *options, "packaging/semscheck.spec")
    shutil.copytree(inside / "dist", build.work / "dist", symlinks=True)


def _starter_sources(build: Build) -> Path:
    """PyInstaller's source archive, of the version and with a hash that are locked for PyInstaller."""
    version, entry = locked_freezer((HERE / "requirements" / "program.txt").read_text(encoding="ascii"))
    where = build.work / "starter"
    where.mkdir(parents=True, exist_ok=True)
    wanted = where / "pyinstaller.txt"
    wanted.write_text(entry, encoding="ascii")
    # pip builds a source archive to read its metadata, with the locked hatchling. Of PyInstaller that would compile a
    # starter here; told that it is for a system whose starter lies in the archive, it does not.
    _run(
        build,
        _environment_of(build, "tools") / "python",
        *("-m", "pip", "download", "--quiet", "--require-hashes", "--no-deps"),
        *("--no-binary=:all:", "--no-build-isolation", "-r", wanted, "-d", where),
        PYI_PLATFORM="Windows-64bit-intel",
    )
    return where / f"pyinstaller-{version}.tar.gz"


def locked_freezer(requirements: str) -> tuple[str, str]:
    """PyInstaller's version, and its entry with all hashes, of locked requirements."""
    entry = re.search(r"^pyinstaller==(\S+) .*\n(?:    --hash=.*\n)+", requirements, re.MULTILINE)
    if entry is None:
        raise SystemExit("PyInstaller is not locked")
    return entry[1], entry[0]


def _within(build: Build, root: Path, *command: str) -> None:
    """The root's Python, in the root, where freeze_in has put everything."""
    settings = {
        "SOURCE_DATE_EPOCH": str(build.epoch),
        "PYTHONHASHSEED": "1",
        "LC_ALL": "C",
        "HOME": "/root",
        "PATH": "/opt/python/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    }
    words = [f"{key}={value}" for key, value in settings.items()]
    directory = "--chdir=/opt/semscheck"
    _run(
        build, "chroot", root, "env", "-i", directory, *words, "python3", *command, timeout_s=FREEZE_TIMEOUT_S
    )


def _fetching(root: Path) -> tuple[str, ...]:
    """pip for another Python than the one that runs it: files for the C library and the version of the root's."""
    home = next((root / "opt" / "python" / "lib").glob("python3.*"))
    version = home.name.removeprefix("python")
    machine = platform.machine()
    # Debian 11 has glibc 2.31, so files made for up to that.
    platforms = [
        f"--platform={name}_{machine}" for name in ("manylinux_2_31", "manylinux_2_28", "manylinux2014")
    ]
    tag = f"cp{version.replace('.', '')}"
    abis = [f"--abi={abi}" for abi in (tag, "abi3", "none")]
    command = (sys.executable, "-m", "pip", "download", "--quiet", "--require-hashes", "--only-binary=:all:")
    return (*command, f"--python-version={version}", "--implementation=cp", *abis, *platforms)


def selftest(build: Build) -> None:
    _run(build, build.program, "--version", timeout_s=60)
    _run(build, build.program, "selftest", timeout_s=300)
    if build.profiles is not None:  # one that cannot be used ends the build
        _run(build, build.program, "profiles", timeout_s=60)


def make_extras(build: Build) -> None:
    """In a process of its own: what is described is the source beside this file, whatever is installed."""
    shutil.rmtree(build.extras, ignore_errors=True)
    _run(build, sys.executable, HERE / "extras.py", build.extras, build.program, PYTHONPATH=str(ROOT))


def make_bill(build: Build) -> None:
    programs = _environment_of(build, "tools")
    python = programs / ("python.exe" if WINDOWS else "python")
    target = build.out / f"{build.name}.cdx.json"
    _run(build, python, HERE / "bill.py", build.notes, target, "--version", build.version)
    shutil.copyfile(target, build.folder / "bill-of-materials.cdx.json")
    if build.root is not None:
        shutil.copyfile(build.root / "opt" / "sources.json", build.out / f"{build.name}-sources.json")


def make_archive(build: Build) -> None:
    extras = {} if WINDOWS else _extras(build)
    entries = {f"{build.name}/{name}": path for name, path in _files(build.folder).items()}
    entries |= {f"{build.name}/{name}": path for name, path in extras.items()}
    write = write_tar if build.archive.name.endswith(".tar.gz") else write_zip
    write(build.archive, entries, build.epoch)
    digest = hashlib.sha256(build.archive.read_bytes()).hexdigest()
    sums = build.archive.with_name(build.archive.name + ".sha256")
    sums.write_text(f"{digest}  {build.archive.name}\n", encoding="ascii", newline="\n")
    print(f"  {build.archive.name}: {build.archive.stat().st_size / 2**20:.1f} MiB, SHA-256 {digest}")


def _files(folder: Path) -> dict[str, Path]:
    found = (path for path in folder.rglob("*") if path.is_file() or path.is_symlink())
    return {path.relative_to(folder).as_posix(): path for path in found}


def _extras(build: Build) -> dict[str, Path]:
    if not build.extras.is_dir():
        make_extras(build)
    return {f"share/{name}": path for name, path in _files(build.extras).items()}


def write_tar(target: Path, entries: Mapping[str, Path], epoch: int) -> None:
    """Sorted, owned by nobody in particular, of one time: the same input gives the same bytes."""
    with (
        target.open("wb") as file,
        gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=epoch, compresslevel=9) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.GNU_FORMAT) as archive,
    ):
        for name in sorted({str(Path(name).parent) for name in entries}):
            directory = tarfile.TarInfo(name)
            directory.type, directory.mode, directory.mtime = tarfile.DIRTYPE, 0o755, epoch
            archive.addfile(directory)
        for name, path in sorted(entries.items()):
            entry = tarfile.TarInfo(name)
            entry.mtime, entry.mode = epoch, _mode(path)
            if path.is_symlink():
                entry.type, entry.linkname = tarfile.SYMTYPE, os.readlink(path)
                archive.addfile(entry)
            else:
                entry.size = path.stat().st_size
                with path.open("rb") as source:
                    archive.addfile(entry, source)


def write_zip(target: Path, entries: Mapping[str, Path], epoch: int) -> None:
    moment = datetime.fromtimestamp(epoch, UTC).timetuple()[:6]
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, path in sorted(entries.items()):
            entry = zipfile.ZipInfo(name, moment)
            entry.compress_type, entry.create_system = zipfile.ZIP_DEFLATED, 3
            if path.is_symlink():
                entry.external_attr = (stat.S_IFLNK | 0o777) << 16
                archive.writestr(entry, os.readlink(path))
            else:
                entry.external_attr = (stat.S_IFREG | _mode(path)) << 16
                archive.writestr(entry, path.read_bytes())


def _mode(path: Path) -> int:
    runs = path.suffix == ".exe" if WINDOWS else bool(path.stat().st_mode & stat.S_IXUSR)
    return 0o755 if runs else 0o644


def make_packages(build: Build) -> None:
    """.deb and .rpm, from packaging/linux/nfpm.yaml. What they depend on is measured, not assumed."""
    from glibc import foreign, newest_needed

    programs = _environment_of(build, "tools")
    needed = ".".join(map(str, newest_needed(build.folder).version))
    if others := foreign(build.folder, build.program.name):
        raise SystemExit(f"asks for more than the C library: {', '.join(others)}")
    print(f"  needs glibc {needed}, and no other library of the system's")
    _extras(build)
    tree = build.work / "tree"
    shutil.rmtree(tree, ignore_errors=True)
    shutil.copytree(build.folder, tree, symlinks=True)
    for path in (tree, *tree.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() else _mode(path))
            os.utime(path, (build.epoch, build.epoch))
    for packager, name in _package_names(build).items():
        _run(
            build,
            programs / "nfpm",
            "package",
            f"--config={HERE / 'linux' / 'nfpm.yaml'}",
            f"--packager={packager}",
            f"--target={build.out / name}",
            SEMSCHECK_VERSION=build.version,
            SEMSCHECK_ARCH=DEBIAN_MACHINE[architecture()],
            SEMSCHECK_TREE=str(tree),
            SEMSCHECK_EXTRAS=str(build.extras),
            SEMSCHECK_GLIBC=needed,
            SEMSCHECK_DATE=datetime.fromtimestamp(build.epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        )


DEBIAN_MACHINE = {"x86_64": "amd64", "arm64": "arm64"}


def _package_names(build: Build) -> dict[str, str]:
    return {
        "deb": f"semscheck_{build.version}_{DEBIAN_MACHINE[architecture()]}.deb",
        "rpm": f"semscheck-{build.version}-1.{platform.machine()}.rpm",
    }


def make_wheel(build: Build) -> None:
    programs = _environment_of(build, "tools")
    for kind in ("sdist", "wheel"):
        _run(build, programs / "hatchling", "build", "-t", kind, "-d", build.out)


def verify(build: Build) -> None:
    """The same steps in another directory give the same bytes. Says what differs where they do not.

    Of the archive, and of those packages that were built.
    """
    again = replace(build, work=build.work / "again" / "elsewhere", out=build.work / "again" / "out")
    shutil.rmtree(build.work / "again", ignore_errors=True)
    again.work.mkdir(parents=True)
    again.out.mkdir(parents=True)
    packages = [name for name in _package_names(build).values() if (build.out / name).is_file()]
    for step in (make_folder, make_extras, make_bill, make_archive, *([make_packages] if packages else [])):
        step(again)
    for name in (build.archive.name, *packages):
        first, second = (
            hashlib.sha256((out / name).read_bytes()).hexdigest() for out in (build.out, again.out)
        )
        if first != second:
            for file in differing(build.folder, again.folder):
                print(f"  differs: {file}")
            raise SystemExit(f"built twice, {name} is not the same: {first} and {second}")
        print(f"  built twice, the same bytes: {first}  {name}")
    shutil.rmtree(build.work / "again")


def differing(one: Path, other: Path) -> list[str]:
    """The files of two folders that are not in both with the same content."""
    mine, theirs = _files(one), _files(other)
    same = (
        name for name in mine.keys() & theirs.keys() if mine[name].read_bytes() == theirs[name].read_bytes()
    )
    return sorted((mine.keys() | theirs.keys()) - set(same))


STEPS: dict[str, Callable[[Build], None]] = {
    "folder": make_folder,
    "selftest": selftest,
    "extras": make_extras,
    "bill": make_bill,
    "archive": make_archive,
    "packages": make_packages,
    "wheel": make_wheel,
    "verify": verify,
}


if __name__ == "__main__":
    sys.exit(main())
