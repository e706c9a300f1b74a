"""A headless Chromium, driven over a pair of pipes with the DevTools protocol: no driver, no port, no library."""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

LIMIT_S = 60.0  # for one answer; a busy machine takes a second or two


class Browser:
    """One page. Calls fail with RuntimeError on an error of the protocol, TimeoutError when nothing comes."""

    def __init__(self, process: subprocess.Popen[bytes], write: int, read: int) -> None:
        self._process = process
        self._write = write
        self._read = read
        self._buffer = b""
        self._next = 0
        self._session: str | None = None
        self.messages: list[dict[str, Any]] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **params: object) -> dict[str, Any]:
        self._next += 1
        message: dict[str, object] = {"id": self._next, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._receive()
            if answer.get("id") == self._next:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                result: dict[str, Any] = answer["result"]
                return result
            self.messages.append(answer)

    def _receive(self) -> dict[str, Any]:
        until = time.monotonic() + LIMIT_S
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._read], [], [], max(0.0, until - time.monotonic()))
            if not ready:
                raise TimeoutError("Chromium does not answer")
            block = os.read(self._read, 1 << 20)
            if not block:
                raise RuntimeError(f"Chromium ended with {self._process.poll()}")
            self._buffer += block
        message, _, self._buffer = self._buffer.partition(b"\0")
        decoded: dict[str, Any] = json.loads(message)
        return decoded

    def wait_for(self, method: str) -> dict[str, Any]:
        """The next event of that name, or one that came since `open` began."""
        for message in self.messages:
            if message.get("method") == method:
                return message
        while True:
            message = self._receive()
            self.messages.append(message)
            if message.get("method") == method:
                return message

    def open(self, path: Path, *, width: int = 1280, dark: bool = False, media: str = "screen") -> None:
        """Show a file in a window of that width, and wait until it is loaded."""
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", media=media, features=[scheme])
        self.messages.clear()
        self.call("Page.navigate", url=path.as_uri())
        self.wait_for("Page.loadEventFired")

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression, promises awaited. The page's policy does not bind it."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(str(answer["exceptionDetails"]))
        return answer["result"].get("value")

    def complaints(self) -> list[str]:
        """Console messages, policy violations and errors since the page was opened."""
        self.evaluate("0")  # whatever was said before has come by now
        found = []
        for message in self.messages:
            method, params = message.get("method"), message.get("params", {})
            if method == "Log.entryAdded":
                found.append(str(params["entry"]["text"]))
            elif method in ("Runtime.consoleAPICalled", "Runtime.exceptionThrown"):
                found.append(json.dumps(params)[:500])
        return found

    def requested(self) -> list[str]:
        """Addresses of everything that was asked for since the page was opened."""
        self.evaluate("0")
        return [
            str(message["params"]["request"]["url"])
            for message in self.messages
            if message.get("method") == "Network.requestWillBeSent"
        ]

    def pdf(self) -> bytes:
        return base64.b64decode(
            self.call("Page.printToPDF", printBackground=True, preferCSSPageSize=True)["data"]
        )


@contextmanager
def chromium(profile: Path) -> Iterator[Browser]:
    """A browser with a fresh profile. The caller has made sure that Chromium is there."""
    to_browser_read, to_browser_write = os.pipe()
    from_browser_read, from_browser_write = os.pipe()
    program = shutil.which("chromium") or "chromium"
    # Chromium reads the protocol from descriptor 3 and writes to 4, so the shell puts the pipes there.
    command = f'exec 3<&{to_browser_read} 4>&{from_browser_write}; exec "$0" "$@"'
    flags = [
        "--headless=new", "--remote-debugging-pipe", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
        "--no-first-run", "--disable-extensions", "--disable-background-networking", "--disable-component-update",
        "--disable-sync", "--disable-domain-reliability", "--metrics-recording-only", "--hide-scrollbars",
        f"--user-data-dir={profile}",
    ]  # fmt: skip
    process = subprocess.Popen(
        ["bash", "-c", command, program, *flags],
        pass_fds=(to_browser_read, from_browser_write),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(to_browser_read)
    os.close(from_browser_write)
    try:
        yield Browser(process, to_browser_write, from_browser_read)
    finally:
        os.close(to_browser_write)  # the end of the pipe ends the browser
        os.close(from_browser_read)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
