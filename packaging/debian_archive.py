"""Debian's archive as a build uses it: what a suite has now, held to the suite's signed index, and recorded.

    python packaging/debian_archive.py SUITE STORE --root ROOT PACKAGE…      fetches source packages into STORE
    python packaging/debian_archive.py SUITE STORE --root ROOT --record FILE     those of a record, and no other

apt does the checking: the release file's signature by Debian's keys and, unless set otherwise, how long it holds; the
index against the release file, each file against the index. An index may list what the archive no longer (or not yet)
has, as in the hours around a security update: such a version is passed over, told, and recorded. What fails in any
other way ends the build. STORE/sources.json is the record; printed is a digest of what it names.
"""

from __future__ import annotations

import argparse
import functools
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
HELPER = "/usr/lib/apt/apt-helper"
ENVIRONMENT = {"LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"}
APT_TIMEOUT_S = 1800
# Whatever this machine's apt is set to, nothing unsigned or half fetched is taken. Whether a release file may have
# expired is left to it: some archives stand still on purpose, and their users' apt is told so (dates_are_checked).
STRICT = (
    *("-o", "Acquire::AllowInsecureRepositories=false", "-o", "Acquire::AllowWeakRepositories=false"),
    *("-o", "Acquire::AllowDowngradeToInsecureRepositories=false", "-o", "APT::Update::Error-Mode=any"),
    *("-o", "APT::Get::AllowUnauthenticated=false"),
    *("-o", "Acquire::Languages=none", "-o", "Acquire::Retries=3", "-o", "Acquire::http::Timeout=60"),
)
_FAILED = re.compile(r"^E: Failed to fetch (\S+)\s+(.+)$", re.MULTILINE)
_ABSENT = re.compile(r"(404|410)\s|File not found")


class GoneError(Exception):
    """The archive says that it does not have the file."""


@dataclass(frozen=True, slots=True)
class File:
    name: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Source:
    """A source package. directory: in the archive. bases: where it is listed, of the archives. passed_over: newer
    versions that are listed, and of which a file was gone."""

    package: str
    version: str
    directory: str
    files: tuple[File, ...]
    bases: tuple[str, ...] = field(default=(), compare=False)
    passed_over: tuple[str, ...] = field(default=(), compare=False)

    def recorded(self) -> dict[str, Any]:
        """Without where it came from: that is this machine's."""
        return {key: value for key, value in asdict(self).items() if key != "bases"}


# --- where archives are ------------------------------------------------------------------------------------


def mirrors(suite: str) -> tuple[tuple[str, str], ...]:
    """The suite and its security updates, each with the first archive that has it.

    DEBIAN_MIRROR and DEBIAN_SECURITY_MIRROR come before those of this machine's apt; DEBIAN_ARCHIVES (more than one
    with spaces between) after them, for what the others no longer have.
    """
    return (
        (_base_with(suite, bases("DEBIAN_MIRROR", r"/debian/?$")), suite),
        (
            _base_with(f"{suite}-security", bases("DEBIAN_SECURITY_MIRROR", r"/debian-security/?$")),
            f"{suite}-security",
        ),
    )


def bases(variable: str, pattern: str) -> list[str]:
    """Archives in the order in which they are tried."""
    given = os.environ.get(variable)
    found = [given] if given else _of_this_machine(pattern)
    if not found and os.geteuid() == 0:  # images come without lists
        _output(["apt-get", "-q", "update"])
        found = _of_this_machine(pattern)
    if not found:
        raise SystemExit(f"no such Debian archive is known here: set {variable}")
    return [base.rstrip("/") for base in (*found, *os.environ.get("DEBIAN_ARCHIVES", "").split())]


def _of_this_machine(pattern: str) -> list[str]:
    """The first archive of that kind that this machine's apt has a list of."""
    targets = ["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages"]
    return sorted({line for line in _output(targets).splitlines() if re.search(pattern, line)})[:1]


def _base_with(suite: str, candidates: Iterable[str]) -> str:
    with tempfile.TemporaryDirectory() as directory:
        for base in candidates:
            try:
                _download(f"{base}/dists/{suite}/Release", Path(directory) / "Release")
            except GoneError:
                continue
            return base
    raise SystemExit(f"no archive has {suite} any more: name one that has in DEBIAN_ARCHIVES")


# --- apt ---------------------------------------------------------------------------------------------------


def _output(command: Sequence[str]) -> str:
    done = subprocess.run(
        command,
        env=os.environ | ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
        timeout=APT_TIMEOUT_S,
    )
    if done.returncode == 0:
        return done.stdout
    if absent := gone(done.stderr):
        raise GoneError(*absent)
    raise SystemExit(f"failed: {' '.join(command[:1] + command[-2:])}\n{done.stderr}")


def gone(errors: str) -> list[str]:
    """The addresses that the archive does not have, by apt's word; none where anything else failed as well."""
    failed = _FAILED.findall(errors)
    return [uri for uri, why in failed] if all(_ABSENT.match(why) for _, why in failed) else []


def _download(uri: str, target: Path, *digest: str) -> None:
    partial = target.with_name(target.name + ".partial")
    try:
        _output(
            [HELPER, *STRICT, "-o", "APT::Sandbox::User=root", "download-file", uri, str(partial), *digest]
        )
        partial.replace(target)
    finally:
        for left in target.parent.glob(partial.name + "*"):
            left.unlink()


def dates_are_checked() -> bool:
    """Whether this machine's apt refuses release files that have expired, as it does unless it is told otherwise."""
    asked = ["apt-config", "shell", "A", "Acquire::Check-Valid-Until/b", "B", "Acquire::Check-Date/b"]
    return "'false'" not in _output(asked)


class Index:
    """The source indexes of some suites, in an apt of its own: this machine's is not touched."""

    def __init__(self, state: Path, suites: Iterable[tuple[str, str]]) -> None:
        for directory in ("lists/partial", "cache/archives/partial"):
            (state / directory).mkdir(parents=True, exist_ok=True)
        lines = [f"deb-src [signed-by={KEYRING}] {base} {suite} main\n" for base, suite in suites]
        (state / "sources.list").write_text("".join(lines), encoding="utf-8")
        self._lists = state / "lists"
        self._options = (
            *STRICT,
            *(
                "-o",
                f"Dir::Etc::sourcelist={state / 'sources.list'}",
                "-o",
                "Dir::Etc::sourceparts=/dev/null",
            ),
            *("-o", f"Dir::State::lists={self._lists}", "-o", f"Dir::Cache={state / 'cache'}"),
            *("-o", "APT::Sandbox::User=root"),
        )
        try:
            _output(["apt-get", *self._options, "-q", "update"])
        except GoneError as error:
            raise SystemExit(f"not in the archive: {error}") from None

    def releases(self) -> list[dict[str, str]]:
        """What the signed release files call themselves."""
        found = []
        for path in sorted(self._lists.glob("*Release")):
            text = path.read_text(encoding="utf-8", errors="replace")
            fields = dict(re.findall(r"^(Codename|Date): (.+)$", text, re.MULTILINE))
            found.append({"suite": fields.get("Codename", ""), "date": fields.get("Date", "")})
        return found

    def versions(self, package: str) -> list[Source]:
        """All versions of a source package in the indexes, the newest first."""
        asked = ["apt-get", *self._options, "indextargets"]
        found = []
        for line in _output(
            [*asked, "--format", "$(REPO_URI) $(FILENAME)", "Created-By: Sources"]
        ).splitlines():
            base, path = line.split(" ", 1)
            text = _output([HELPER, *self._options, "cat-file", path])
            found += [_source(stanza, base) for stanza in _stanzas(text, package)]
        return sorted(found, key=functools.cmp_to_key(_newer_first))


def _stanzas(text: str, package: str) -> Iterator[str]:
    for stanza in text.split("\n\n"):
        if re.search(rf"^Package: {re.escape(package)}$", stanza, re.MULTILINE):
            yield stanza + "\n"


def _source(stanza: str, base: str) -> Source:
    fields = dict(re.findall(r"^([A-Za-z0-9-]+):[ \t]*(.*(?:\n[ \t].*)*)$", stanza, re.MULTILINE))
    files = [line.split() for line in fields["Checksums-Sha256"].split("\n") if line.strip()]
    return Source(
        package=fields["Package"],
        version=fields["Version"],
        directory=fields["Directory"],
        files=tuple(File(name, int(size), digest) for digest, size, name in files),
        bases=(base.rstrip("/"),),
    )


def _newer_first(one: Source, other: Source) -> int:
    compared = ["dpkg", "--compare-versions", one.version, "gt", other.version]
    return -1 if subprocess.run(compared, check=False).returncode == 0 else 1


# --- fetching ----------------------------------------------------------------------------------------------


def fetch(source: Source, store: Path) -> None:
    """All files of a source package, those that are not there yet. Raises GoneError where no archive has one."""
    for file in source.files:
        if "/" in file.name or file.name.startswith("."):
            raise SystemExit(f"{source.package}: a file is called {file.name}")
        target = store / file.name
        if not _is(target, file):
            _from_any([f"{base}/{source.directory}/{file.name}" for base in source.bases], target, file)


def _from_any(uris: Sequence[str], target: Path, file: File) -> None:
    for uri in uris:
        try:
            _download(uri, target, f"SHA256:{file.sha256}")
        except GoneError:
            continue
        if not _is(target, file):
            target.unlink()
            raise SystemExit(f"{file.name} is not the file that the index names")
        return
    raise GoneError(file.name)


def _is(path: Path, file: File) -> bool:
    if not path.is_file() or path.stat().st_size != file.size:
        return False
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest() == file.sha256


def newest(index: Index, package: str, store: Path) -> Source:
    """The newest version that is listed and can be had, fetched."""
    passed: list[str] = []
    for source in index.versions(package):
        try:
            fetch(source, store)
        except GoneError as error:
            passed.append(source.version)
            print(f"  {package} {source.version} is listed, but {error} is not to be had", file=sys.stderr)
            continue
        print(f"  {package} {source.version}", file=sys.stderr)
        return Source(
            **{key: getattr(source, key) for key in source.__slots__} | {"passed_over": tuple(passed)}
        )
    raise SystemExit(
        f"{package}: of what the suite lists ({', '.join(passed) or 'nothing'}) none is to be had"
    )


# --- the record --------------------------------------------------------------------------------------------


def read(record: Path) -> list[Source]:
    """The source packages of a record, to be looked for in every archive that is known."""
    everywhere = (
        *bases("DEBIAN_MIRROR", r"/debian/?$"),
        *bases("DEBIAN_SECURITY_MIRROR", r"/debian-security/?$"),
    )
    found = []
    for entry in json.loads(record.read_text(encoding="utf-8"))["sources"]:
        files = tuple(File(**file) for file in entry["files"])
        names = {"package": entry["package"], "version": entry["version"], "directory": entry["directory"]}
        found.append(Source(**names, files=files, bases=everywhere, passed_over=tuple(entry["passed_over"])))
    return found


def fetch_recorded(record: Path, store: Path) -> list[Source]:
    """The very files of a record: here, or wherever an archive still has them."""
    sources = read(record)
    for source in sources:
        try:
            fetch(source, store)
        except GoneError as error:
            raise SystemExit(
                f"{source.package} {source.version}: {error} is in no archive any more. Put the file into "
                f"{store}, or name an archive that keeps old versions in DEBIAN_ARCHIVES"
            ) from None
    return sources


def installed(root: Path) -> list[str]:
    """What a Debian root is made of: name, architecture and version of its packages."""
    line = "${binary:Package} ${Architecture} ${Version}\\n"
    return sorted(_output(["chroot", str(root), "dpkg-query", "--show", f"--showformat={line}"]).splitlines())


def digest(sources: Iterable[Source], packages: Iterable[str]) -> str:
    """Differs where anything was built from other files, or in a root of other packages."""
    named = sorted((file.name, file.sha256) for source in sources for file in source.files)
    return hashlib.sha256(json.dumps([named, sorted(packages)]).encode()).hexdigest()


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("suite")
    parser.add_argument("store", type=Path)
    parser.add_argument("packages", nargs="*", metavar="PACKAGE")
    parser.add_argument("--root", type=Path, required=True, help="where they will be built")
    parser.add_argument("--record", type=Path, help="take the files that it names")
    options = parser.parse_intermixed_args()
    store = options.store.resolve()
    store.mkdir(parents=True, exist_ok=True)
    here = installed(options.root)
    target = store / "sources.json"
    if options.record is not None:
        sources = fetch_recorded(options.record, store)
        _same_root(here, json.loads(options.record.read_text(encoding="utf-8"))["root"])
        if options.record.resolve() != target:
            shutil.copyfile(options.record, target)
    else:
        if not dates_are_checked():
            print("  this machine's apt is set to take release files that have expired", file=sys.stderr)
        index = Index(store / "apt", mirrors(options.suite))
        sources = [newest(index, package, store) for package in options.packages]
        write(target, sources, index.releases(), here)
    print(digest(sources, here))
    return 0


def write(target: Path, sources: Iterable[Source], releases: list[dict[str, str]], root: list[str]) -> None:
    record = {
        "releases": releases,
        "dates_checked": dates_are_checked(),
        "sources": [source.recorded() for source in sources],
        "root": root,
    }
    target.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


def _same_root(here: Iterable[str], recorded: Iterable[str]) -> None:
    if differing := set(here) ^ set(recorded):
        names = "\n".join(f"  {line}" for line in sorted(differing))
        raise SystemExit(
            f"the root is not of the packages that the record names; these are in one of them only:\n{names}"
        )


if __name__ == "__main__":
    sys.exit(main())
