"""Compiles PyInstaller's starter with a zlib of its own: `python packaging/starter.py ARCHIVE DIRECTORY`.

The starter is the program that finds the folder's Python and hands over to it; PyInstaller calls it its bootloader.
The one that comes with PyInstaller asks for the system's zlib before it knows of the folder's. ARCHIVE is
PyInstaller's source, which carries zlib's; it is unpacked and compiled in DIRECTORY (PyInstaller's manual, "Building
the Bootloader"). Runs in the Python that freezes, and puts the result in the place of the starter that PyInstaller
takes there; zlib's version and licence go beside it, for bundled.py. Needs gcc.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import PyInstaller

PLACE = Path(PyInstaller.__file__).parent / "bootloader" / PyInstaller.PLATFORM
COMPILE_TIMEOUT_S = 600


def main(archive: Path, directory: Path) -> int:
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    with tarfile.open(archive) as packed:  # held to its locked hash
        if hasattr(tarfile, "data_filter"):  # Python 3.11.4; Debian 12 has 3.11.2
            packed.extraction_filter = tarfile.data_filter
        packed.extractall(directory)
    sources = (
        directory / f"pyinstaller-{PyInstaller.__version__}"
    )  # of another version: there is no such directory
    _compile(sources / "bootloader")
    made = sources / "PyInstaller" / "bootloader" / PyInstaller.PLATFORM / "run"
    shutil.copyfile(made, PLACE / "run")
    _note(sources / "bootloader" / "zlib")
    return 0


def _compile(where: Path) -> None:
    steps = [sys.executable, "waf", "configure", "build_release", "install_release"]
    environment = os.environ | {"PYI_STATIC_ZLIB": "1"}
    done = subprocess.run(
        steps,
        cwd=where,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=COMPILE_TIMEOUT_S,
    )
    if done.returncode:
        raise SystemExit(f"PyInstaller's starter does not compile:\n{done.stdout}")


def _note(zlib: Path) -> None:
    header = (zlib / "zlib.h").read_text(encoding="utf-8")
    found = re.search(r'^#define ZLIB_VERSION "([^"]+)"', header, re.MULTILINE)
    if found is None:
        raise SystemExit(f"{zlib}: no version in zlib.h")
    shutil.copyfile(zlib / "LICENSE", PLACE / "zlib-LICENSE")
    (PLACE / "compiled.json").write_text(json.dumps({"zlib": found[1]}), encoding="ascii")


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()))
