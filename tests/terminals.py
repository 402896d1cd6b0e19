"""Programs on a terminal, as a person sees and types."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pexpect
import pyte

ENTER = "\r"
CLEAR_LINE = "\x15"
DOWN = "\x1b[B"
SECONDS = 30


class Terminal:
    """A program on a terminal of 80 columns, as a person sees it."""

    def __init__(self, module: str, *arguments: str, cwd: Path) -> None:
        """Start a module of this Python in `cwd`."""
        self._screen = pyte.Screen(80, 50)
        self._stream = pyte.Stream(self._screen)
        self.process = pexpect.spawn(
            sys.executable,
            ["-m", module, *arguments],
            cwd=str(cwd),
            env=os.environ | {"TERM": "xterm-256color", "PROMPT_TOOLKIT_NO_CPR": "1"},
            dimensions=(50, 80),
            encoding="utf-8",
            timeout=SECONDS,
        )

    def see(self, sentence: str) -> None:
        """Wait until the screen shows `sentence` on one line, whole.

        Raises:
            AssertionError: It did not appear in time, or the program ended first.
        """
        while not any(sentence in line for line in self._screen.display):
            try:
                self._stream.feed(self.process.read_nonblocking(size=4096, timeout=SECONDS))
            except (pexpect.TIMEOUT, pexpect.EOF):
                screen = "\n".join(self._screen.display).rstrip()
                raise AssertionError(f"never seen: {sentence!r}; the screen:\n{screen}") from None

    def type(self, *keys: str) -> None:
        """Press `keys`."""
        for each in keys:
            self.process.send(each)

    def end(self) -> int:
        """Wait for the end and return the exit code."""
        self._stream.feed(self.process.read())
        self.process.close()
        assert self.process.exitstatus is not None
        return self.process.exitstatus
