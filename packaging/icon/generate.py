"""Makes the icons of the three systems from semscheck.svg: `python packaging/icon/generate.py` (needs rsvg-convert).

The results are kept beside the drawing, so that a build needs no tool for them.
"""

from __future__ import annotations

import struct
import subprocess
from pathlib import Path

HERE = Path(__file__).resolve().parent
ICO_SIZES = (16, 24, 32, 48, 64, 256)
ICNS_TYPES = {32: b"icp5", 64: b"icp6", 128: b"ic07", 256: b"ic08", 512: b"ic09"}


def png(size: int) -> bytes:
    command = ["rsvg-convert", "-w", str(size), "-h", str(size), str(HERE / "semscheck.svg")]
    return subprocess.run(command, check=True, capture_output=True).stdout


def ico(images: dict[int, bytes]) -> bytes:
    """An .ico of PNG images, which Windows reads since Vista; 256 is written as 0."""
    offset = 6 + 16 * len(images)
    directory, data = struct.pack("<HHH", 0, 1, len(images)), b""
    for size, image in images.items():
        directory += struct.pack(
            "<BBBBHHII", size % 256, size % 256, 0, 0, 1, 32, len(image), offset + len(data)
        )
        data += image
    return directory + data


def icns(images: dict[bytes, bytes]) -> bytes:
    body = b"".join(kind + struct.pack(">I", 8 + len(image)) + image for kind, image in images.items())
    return b"icns" + struct.pack(">I", 8 + len(body)) + body


if __name__ == "__main__":
    (HERE / "semscheck.ico").write_bytes(ico({size: png(size) for size in ICO_SIZES}))
    (HERE / "semscheck.icns").write_bytes(icns({kind: png(size) for size, kind in ICNS_TYPES.items()}))
    (HERE / "semscheck-256.png").write_bytes(png(256))
