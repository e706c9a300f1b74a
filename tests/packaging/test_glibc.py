"""The oldest C library is read from the files themselves; held against binutils where that is installed."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import glibc
import pytest

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="ELF files of this system")


def compiled() -> Path:
    import _cffi_backend

    return Path(_cffi_backend.__file__)


def test_what_is_no_elf_file_needs_nothing():
    for data in (b"", b"\x7fELF", b"#!/bin/sh\n", b"MZ" * 40, b"\x7fELF\x01\x01" + bytes(60)):
        assert glibc.versions(data) == set()
        assert glibc.libraries(data) == set()


@pytest.mark.skipif(shutil.which("objdump") is None, reason="needs objdump to compare with")
@pytest.mark.parametrize(
    "path", [Path(sys.executable).resolve(), compiled()], ids=lambda path: path.name[:20]
)
def test_as_objdump_reads_it(path):
    told = subprocess.run(["objdump", "-T", path], capture_output=True, text=True, check=True).stdout
    wanted = {tuple(map(int, it.split("."))) for it in re.findall(r"GLIBC_([0-9.]+)\b", told)}
    assert glibc.versions(path.read_bytes()) == wanted
    told = subprocess.run(["objdump", "-p", path], capture_output=True, text=True, check=True).stdout
    named = re.findall(r"^ +NEEDED +(\S+)$", told, re.MULTILINE)
    assert named
    assert glibc.libraries(path.read_bytes()) == set(named)


def test_the_newest_of_a_folder_names_its_file(tmp_path):
    shutil.copyfile(compiled(), tmp_path / "one.so")
    (tmp_path / "text").write_text("GLIBC_9.9")
    need = glibc.newest_needed(tmp_path)
    assert need.file == "one.so"
    assert need.version == max(glibc.versions(compiled().read_bytes()))


def test_a_folder_without_any_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="nothing in it"):
        glibc.newest_needed(tmp_path)


@pytest.mark.skipif(shutil.which("gcc") is None, reason="needs a compiler to make what asks for a library")
def test_what_is_neither_the_c_librarys_nor_in_the_folder_is_foreign(tmp_path):
    """A library of the folder's counts for the folder's files, and not for the program, which starts before it."""

    def compiled_from(text: str, *options: str) -> None:
        command = ["gcc", "-x", "c", "-", "-L.", *options]
        subprocess.run(command, input=text, text=True, check=True, cwd=tmp_path)

    compiled_from("int of_its_own(void) { return 0; }", "-shared", "-o", "libown.so")
    asking = "int of_its_own(void); int main(void) { return of_its_own(); }"
    compiled_from(asking, "-o", "program", "-lown", "-lm")
    compiled_from(asking, "-o", "second", "-lown", "-lm")
    assert glibc.foreign(tmp_path, "program") == ("libown.so (by program)",)
    (tmp_path / "libown.so").unlink()
    assert glibc.foreign(tmp_path, "program") == ("libown.so (by program)", "libown.so (by second)")
