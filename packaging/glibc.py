"""What a folder of ELF files asks of the system: `python packaging/glibc.py FOLDER`.

The oldest GNU C library that it starts on, and libraries beside that one. Reads the needs of every file itself
(ELF, sections .gnu.version_r and .dynamic; LSB Core 5.0, "Symbol Version Requirements"; gABI, "Dynamic Section"), so
that it does not depend on binutils.
"""

from __future__ import annotations

import re
import struct
import sys
from dataclasses import dataclass
from pathlib import Path

SHT_DYNAMIC, SHT_GNU_VERNEED = 6, 0x6FFFFFFE
DT_NULL, DT_NEEDED = 0, 1
_GLIBC = re.compile(r"^GLIBC_(\d+(?:\.\d+)*)$")
# The C library's own files, as every distribution's package of it has them; libnsl and libcrypt no longer are.
OF_LIBC = re.compile(r"^(ld-linux[\w-]*|lib(c|m|dl|pthread|rt|util|resolv|anl|nss_\w+))\.so(\.\d+)*$")


@dataclass(frozen=True, slots=True)
class Need:
    """version: of glibc. file: the one that asks for it."""

    version: tuple[int, ...]
    file: str


def newest_needed(folder: Path) -> Need:
    """The highest version any file in the folder asks for. Raises ValueError where none asks for glibc at all."""
    needs = [
        Need(version, path.relative_to(folder).as_posix())
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.is_symlink()
        for version in versions(path.read_bytes())
    ]
    if not needs:
        raise ValueError(f"{folder}: nothing in it asks for glibc")
    return max(needs, key=lambda need: need.version)


def foreign(folder: Path, program: str) -> tuple[str, ...]:
    """Libraries that must come from the system and are not the C library's, each with who asks for it, sorted.

    program: the file that starts everything. It runs before the folder's own libraries are known, so that those do
    not count for it.
    """
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    own = {path.name for path in files}
    found = set()
    for path in files:
        name = path.relative_to(folder).as_posix()
        for library in libraries(path.read_bytes()):
            if not OF_LIBC.match(library) and (name == program or library not in own):
                found.add(f"{library} (by {name})")
    return tuple(sorted(found))


def libraries(data: bytes) -> set[str]:
    """The libraries that an ELF file (64 bits, little-endian) asks for by name; empty for anything else."""
    found: set[str] = set()
    headers = _sections(data)
    for header in headers:
        if header[1] != SHT_DYNAMIC:
            continue
        strings = headers[header[6]][4]
        for tag, value in struct.iter_unpack("<qQ", data[header[4] : header[4] + header[5]]):
            if tag == DT_NULL:
                break
            if tag == DT_NEEDED:
                found.add(_text(data, strings + value))
    return found


def versions(data: bytes) -> set[tuple[int, ...]]:
    """The versions of glibc that an ELF file (64 bits, little-endian) names; empty for anything else."""
    headers = _sections(data)
    found: set[tuple[int, ...]] = set()
    for header in headers:
        if header[1] == SHT_GNU_VERNEED:
            strings = headers[header[6]]  # sh_link: the string table
            names = _needed_names(data, header[4], strings[4])
            found.update(tuple(map(int, m[1].split("."))) for m in map(_GLIBC.match, names) if m)
    return found


def _sections(data: bytes) -> list[tuple[int, ...]]:
    """The section headers (gABI, Elf64_Shdr); none where it is no such file."""
    if data[:6] != b"\x7fELF\x02\x01":
        return []
    (offset,) = struct.unpack_from("<Q", data, 0x28)
    size, count = struct.unpack_from("<HH", data, 0x3A)
    return [struct.unpack_from("<IIQQQQIIQQ", data, offset + index * size) for index in range(count)]


def _text(data: bytes, at: int) -> str:
    return data[at : data.index(b"\0", at)].decode("ascii", "replace")


def _needed_names(data: bytes, entry: int, strings: int) -> list[str]:
    names = []
    while True:
        _version, count, _file, first, following = struct.unpack_from("<HHIII", data, entry)
        aux = entry + first
        for _ in range(count):
            _hash, _flags, _other, name, after = struct.unpack_from("<IHHII", data, aux)
            names.append(_text(data, strings + name))
            aux += after
        if not following:
            return names
        entry += following


if __name__ == "__main__":
    need = newest_needed(Path(sys.argv[1]))
    print(f"glibc {'.'.join(map(str, need.version))}, asked for by {need.file}")
    print(*foreign(Path(sys.argv[1]), "semscheck"), sep="\n")
