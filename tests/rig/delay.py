"""Join two network namespaces by a link with a delay and a loss of its own. A program; run by `net`.

`python delay.py NAMESPACE_A INTERFACE_A NAMESPACE_B INTERFACE_B DELAY_MS LOSS SEED`

It makes one TAP device in each namespace and carries Ethernet frames between them, each DELAY_MS later.
This takes the place of the kernel's netem, which not every kernel has. `ready` on standard output says that
both devices exist.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import random
import select
import struct
import sys
import time
from collections import deque
from pathlib import Path

_CLONE_NEWNET = 0x40000000
_TUNSETIFF = 0x400454CA
_IFF_TAP, _IFF_NO_PI = 0x0002, 0x1000
_FRAME_BYTES = 65_536
_QUEUE_FRAMES = 10_000


def _enter(namespace: Path) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    with namespace.open() as handle:
        if libc.setns(handle.fileno(), _CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), f"cannot enter {namespace}")


def _tap(namespace: str, interface: str) -> int:
    _enter(Path("/run/netns") / namespace)
    device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(device, _TUNSETIFF, struct.pack("16sH14x", interface.encode(), _IFF_TAP | _IFF_NO_PI))
    return device


def _carry(a: int, b: int, delay_s: float, loss: float, luck: random.Random) -> None:
    other = {a: b, b: a}
    # The delay is the same for every frame, so that the next one due is always the oldest.
    queue: deque[tuple[float, int, bytes]] = deque()
    while True:
        wait_s = max(0.0, queue[0][0] - time.monotonic()) if queue else None
        readable, _, _ = select.select((a, b), (), (), wait_s)
        for device in readable:
            with contextlib.suppress(BlockingIOError):
                while True:
                    frame = os.read(device, _FRAME_BYTES)
                    if len(queue) < _QUEUE_FRAMES and luck.random() >= loss:
                        queue.append((time.monotonic() + delay_s, other[device], frame))
        now = time.monotonic()
        while queue and queue[0][0] <= now:
            _, device, frame = queue.popleft()
            # EIO: the device is down; ENOBUFS: its queue is full. Either way a wire would lose the frame.
            with contextlib.suppress(OSError):
                os.write(device, frame)


def main(arguments: list[str]) -> None:
    namespace_a, interface_a, namespace_b, interface_b, delay_ms, loss, seed = arguments
    a, b = _tap(namespace_a, interface_a), _tap(namespace_b, interface_b)
    # A wire is never late because the machine is busy.
    with contextlib.suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    print("ready", flush=True)
    _carry(a, b, float(delay_ms) / 1000.0, float(loss), random.Random(int(seed)))


if __name__ == "__main__":
    main(sys.argv[1:])
