"""Says what a frozen folder is made of: which distributions and shared libraries, with their licences.

Runs in the Python that freezes, from the spec: only there the sources of the collected files are known. Gives
`bundled.json` beside the folder and `licences/` in it; packaging/bill.py makes the CycloneDX document of the first.
"""

from __future__ import annotations

import hashlib
import json
import platform
import shutil
import ssl
import subprocess
import sys
import sysconfig
from collections.abc import Iterable
from importlib.metadata import Distribution, distributions
from pathlib import Path

LICENCE_WORDS = ("licen", "copying", "notice", "copyright", "authors")


def describe(sources: Iterable[str], folder: Path, notes: Path) -> None:
    """sources: the files that were collected, where they came from. folder: the frozen one. notes: bundled.json."""
    files = {Path(source).resolve() for source in sources if source}
    licences = folder / "licences"
    shutil.rmtree(licences, ignore_errors=True)
    packages = [_package(found, licences) for found in _distributions_of(files)]
    libraries = [_library(path, licences) for path in sorted(files) if _is_system_library(path)]
    text = json.dumps(
        {
            "python": _python(licences),
            "packages": sorted(packages, key=lambda it: it["name"]),
            "libraries": [*(found for found in libraries if found is not None), *_compiled_in(licences)],
            "sources": _sources(),
        },
        indent=2,
    )
    notes.write_text(text + "\n", encoding="utf-8")


def _distributions_of(files: set[Path]) -> list[Distribution]:
    """The installed distributions that at least one collected file is of."""
    found = []
    for distribution in distributions():
        if distribution.metadata["Name"] == "semscheck":
            continue
        own = {Path(str(distribution.locate_file(file))).resolve() for file in distribution.files or ()}
        if own & files:
            found.append(distribution)
    return found


def _package(distribution: Distribution, licences: Path) -> dict[str, object]:
    metadata = distribution.metadata
    name, version = metadata["Name"], distribution.version
    kept = []
    for file in distribution.files or ():
        inside = ".dist-info" in file.parts[0]
        if inside and file.suffix != ".py" and _names_licence(file.name):
            kept.append(_keep(Path(str(distribution.locate_file(file))), licences / f"{name}-{version}"))
    return {
        "name": name,
        "version": version,
        "licence": metadata.get("License-Expression") or _classified(metadata.get_all("Classifier") or ()),
        "summary": metadata["Summary"],
        "files": sorted(kept),
    }


def _names_licence(name: str) -> bool:
    return any(word in name.lower() for word in LICENCE_WORDS)


def _classified(classifiers: Iterable[str]) -> str | None:
    """The licence as the package's classifiers have it; None if they say nothing."""
    names = [line.rsplit(" :: ", 1)[-1] for line in classifiers if line.startswith("License :: ")]
    return " AND ".join(sorted(set(names) - {"OSI Approved"})) or None


def _keep(source: Path, directory: Path) -> str:
    directory.mkdir(parents=True, exist_ok=True)
    target = directory / source.name
    shutil.copyfile(source, target)
    return target.relative_to(directory.parent).as_posix()


def _python(licences: Path) -> dict[str, object]:
    """CPython with its licence, which also covers what it carries inside (expat, HACL*, mpdecimal …)."""
    version = platform.python_version()
    candidates = (
        Path(sysconfig.get_path("stdlib")) / "LICENSE.txt",
        Path(sys.base_prefix) / "LICENSE.txt",
        Path(f"/usr/share/doc/python{sys.version_info[0]}.{sys.version_info[1]}-minimal/copyright"),
    )
    found = [path for path in candidates if path.is_file()][:1]
    kept = [_keep(path, licences / f"CPython-{version}") for path in found]
    return {"version": version, "openssl": ssl.OPENSSL_VERSION, "files": kept}


def _sources() -> list[object]:
    """The source packages that this Python and its OpenSSL were built from, where packaging/linux/old-python did."""
    record = Path(sys.base_prefix).parent / "sources.json"
    return list(json.loads(record.read_text(encoding="utf-8"))["sources"]) if record.is_file() else []


# --- shared libraries that came with no distribution -------------------------------------------------------


def _is_system_library(path: Path) -> bool:
    if "site-packages" in path.parts or "lib-dynload" in path.parts:
        return False
    return ".so" in path.name or path.suffix.lower() in (".dll", ".dylib")


def _library(path: Path, licences: Path) -> dict[str, object] | None:
    """A library of the system that froze, by Debian's word for it where there is one."""
    if path.name.lower().startswith(("libpython", "python3")):
        return None  # is CPython's
    package, version, copyright_file = _debian(path)
    beside = path.parent.parent / "LICENSE.txt"  # /opt/openssl, as packaging/linux/old-python makes it
    licence = copyright_file or (beside if beside.is_file() else None)
    name = package or path.name.split(".so")[0].split(".dll")[0]
    return {
        "name": name,
        "version": version,
        "file": path.name,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "files": [_keep(licence, licences / name)] if licence is not None else [],
    }


def _compiled_in(licences: Path) -> list[dict[str, object]]:
    """The zlib in the starter, where packaging/starter.py has compiled it."""
    import PyInstaller

    place = Path(PyInstaller.__file__).parent / "bootloader" / PyInstaller.PLATFORM
    if not (place / "compiled.json").is_file():
        return []
    version = json.loads((place / "compiled.json").read_text(encoding="ascii"))["zlib"]
    kept = _keep(place / "zlib-LICENSE", licences / f"zlib-{version}")
    return [{"name": "zlib", "version": version, "file": "semscheck", "sha256": None, "files": [kept]}]


def _debian(path: Path) -> tuple[str | None, str | None, Path | None]:
    if shutil.which("dpkg-query") is None:
        return None, None, None
    for tried in (path, Path("/") / path.relative_to("/usr") if path.is_relative_to("/usr") else path):
        asked = subprocess.run(
            ["dpkg-query", "--search", str(tried)], capture_output=True, text=True, check=False, timeout=30
        )
        if asked.returncode == 0:
            package = asked.stdout.split(":", 1)[0]
            shown = subprocess.run(
                ["dpkg-query", "--show", "--showformat=${Version}\n", package],
                capture_output=True,
                text=True,
                check=False,
                timeout=30,
            )
            file = Path("/usr/share/doc") / package / "copyright"
            return package, shown.stdout.split("\n")[0] or None, file if file.is_file() else None
    return None, None, None
