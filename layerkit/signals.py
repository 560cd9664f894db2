"""Ctrl-C, SIGTERM and a closed terminal end the process at once, but a run finishes its step first and is saved."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Thread, current_thread, main_thread
from time import monotonic, sleep
from types import FrameType
from typing import NoReturn

ENDING = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
half_written: set[str] = set()
"""The paths of files that are being written, and that whoever leaves removes."""
ECHO = 0.25
"""Seconds in which a signal that comes again is the same request: timeout(1) sends each of its signals twice."""


def leave_at_once() -> None:
    """From now on each of these ends the process with 128 + its number, and no traceback."""
    for number in _heeded():
        signal.signal(number, _leave)


class StopRequest:
    """Notes the first signal for a run to ask after; the second one ends the process, even amid a long computation.

    Until `defer` is called there is nothing to save, and the first one ends it too, after `before_leaving`; without
    that where the process is amid native code, which hears of nothing.
    """

    def __init__(self) -> None:
        self.number = 0
        """The signal that was received, or 0."""
        self.before_leaving: Callable[[], None] | None = None
        self._deferred = False

    def __enter__(self) -> StopRequest:
        # Python runs a handler only between two of its own instructions, and one handler for two signals that came
        # during one: the bytes that its C part writes here tell of each, and at once
        self._before = {number: signal.getsignal(number) for number in _heeded()}
        self._out, self._in = os.pipe()
        os.set_blocking(self._in, False)
        self._wakeup_before = signal.set_wakeup_fd(self._in, warn_on_full_buffer=False)
        self._watcher = Thread(target=self._watch, daemon=True)
        self._watcher.start()
        self.heed()
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._wakeup_before)
        os.close(self._in)
        self._watcher.join()
        os.close(self._out)

    def heed(self) -> None:
        """Hear of signals again, where native code has taken one for itself."""
        for number in self._before:
            signal.signal(number, self._note)

    def defer(self) -> None:
        """From now on the first signal is only noted."""
        self._deferred = True

    def received(self) -> bool:
        """Whether a signal asked for a stop."""
        return self.number > 0

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.number = self.number or number
        if not self._deferred:
            # no exception, which whatever is being imported may take for its own
            if self.before_leaving is not None:
                self.before_leaving()
            _leave(number, frame)

    def _watch(self) -> None:
        first = None
        while byte := os.read(self._out, 1):
            if byte[0] in self._before:
                first = first or monotonic()
                self.number = self.number or byte[0]
                if not self._deferred:
                    sleep(ECHO)
                if not self._deferred or monotonic() - first > ECHO:
                    _leave(byte[0])


@contextmanager
def interrupts_later() -> Iterator[None]:
    """Ctrl-C is heard at the end of the block: for code that loses an interrupt in its callbacks, or breaks by one."""
    before = signal.getsignal(signal.SIGINT)
    if current_thread() is not main_thread() or not callable(before):
        yield
        return
    came: list[tuple[int, FrameType | None]] = []
    signal.signal(signal.SIGINT, lambda *given: came.append(given))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if came:
            before(*came[0])


def _heeded() -> list[signal.Signals]:
    """Those that aren't ignored on purpose: nohup ignores SIGHUP, a shell's background job SIGINT."""
    return [number for number in ENDING if signal.getsignal(number) is not signal.SIG_IGN]


def _leave(number: int, frame: FrameType | None = None) -> NoReturn:
    for path in [*half_written]:
        with suppress(OSError):
            os.unlink(path)
    os._exit(128 + number)
