"""The oldest GNU C library that a folder of ELF files starts on: `python packaging/glibc.py FOLDER`.

Reads the version needs of every file itself (ELF, section .gnu.version_r; LSB Core 5.0, "Symbol Version
Requirements"), so that it does not depend on binutils.
"""

from __future__ import annotations

import re
import struct
import sys
from dataclasses import dataclass
from pathlib import Path

SHT_GNU_VERNEED = 0x6FFFFFFE
_GLIBC = re.compile(r"^GLIBC_(\d+(?:\.\d+)*)$")


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


def versions(data: bytes) -> set[tuple[int, ...]]:
    """The versions of glibc that an ELF file (64 bits, little-endian) names; empty for anything else."""
    if data[:6] != b"\x7fELF\x02\x01":
        return set()
    offset, size, count = _section_headers(data)
    headers = [struct.unpack_from("<IIQQQQIIQQ", data, offset + index * size) for index in range(count)]
    found: set[tuple[int, ...]] = set()
    for header in headers:
        if header[1] == SHT_GNU_VERNEED:
            strings = headers[header[6]]  # sh_link: the string table
            names = _needed_names(data, header[4], strings[4])
            found.update(tuple(map(int, m[1].split("."))) for m in map(_GLIBC.match, names) if m)
    return found


def _section_headers(data: bytes) -> tuple[int, int, int]:
    (offset,) = struct.unpack_from("<Q", data, 0x28)
    size, count = struct.unpack_from("<HH", data, 0x3A)
    return offset, size, count


def _needed_names(data: bytes, entry: int, strings: int) -> list[str]:
    names = []
    while True:
        _version, count, _file, first, following = struct.unpack_from("<HHIII", data, entry)
        aux = entry + first
        for _ in range(count):
            _hash, _flags, _other, name, after = struct.unpack_from("<IHHII", data, aux)
            end = data.index(b"\0", strings + name)
            names.append(data[strings + name : end].decode("ascii", "replace"))
            aux += after
        if not following:
            return names
        entry += following


if __name__ == "__main__":
    need = newest_needed(Path(sys.argv[1]))
    print(f"glibc {'.'.join(map(str, need.version))}, asked for by {need.file}")
