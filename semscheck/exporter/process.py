"""This process: its descriptors, and another one in its place that takes over its sockets."""

from __future__ import annotations

import os
import socket
import sys
from dataclasses import dataclass
from typing import NoReturn

ENOUGH_FDS = 65_536
_DESCRIPTORS = "SEMSCHECK_HANDED_OVER"


@dataclass(frozen=True, slots=True)
class HandedOver:
    """What a process leaves to the one that replaces it. history: as `History.dump` writes it."""

    listening: tuple[socket.socket, ...] = ()
    history: bytes = b""


def raise_descriptor_limit() -> None:
    """More descriptors, where the administrator allows: the soft limit is often 1,024 for historical reasons."""
    try:
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = ENOUGH_FDS if hard == resource.RLIM_INFINITY else min(hard, ENOUGH_FDS)
        if soft != resource.RLIM_INFINITY and soft < wanted:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (ImportError, OSError, ValueError):
        return


def replace_by_itself(left: HandedOver) -> NoReturn:
    """Start the same command anew under the same process id. Clients that connect meanwhile wait in the sockets."""
    history = os.memfd_create("semscheck history", 0)
    with os.fdopen(history, "wb", closefd=False) as file:
        file.write(left.history)
    os.lseek(history, 0, os.SEEK_SET)
    for sock in left.listening:
        sock.set_inheritable(True)
    os.environ[_DESCRIPTORS] = ",".join(map(str, (history, *(sock.fileno() for sock in left.listening))))
    arguments = sys.argv if getattr(sys, "frozen", False) else sys.orig_argv
    os.execv(sys.executable, [sys.executable, *arguments[1:]])


def handed_over() -> HandedOver:
    """What the process before this one left, once; nothing at a first start."""
    given = os.environ.pop(_DESCRIPTORS, "")
    if not given:
        return HandedOver()
    history, *listening = map(int, given.split(","))
    sockets = tuple(socket.socket(fileno=descriptor) for descriptor in listening)
    for sock in sockets:
        sock.set_inheritable(False)
        sock.setblocking(False)
    with os.fdopen(history, "rb") as file:
        return HandedOver(sockets, file.read())
