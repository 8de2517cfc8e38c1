"""One engine, many visitors: whoever has waited longest goes next, one picture at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition

from engine.types import UserError


class Ticket:
    """A place in the line."""

    def __init__(self, turns: Turns, visitor: str):
        self._turns, self.visitor = turns, visitor

    def ahead(self) -> int:
        """How many are before this one; 0 means: go."""
        return self._turns._ahead(self)

    def wait(self, seconds: float) -> int:
        """Sleep until this one's turn or for `seconds`; then as `ahead`."""
        return self._turns._wait(self, seconds)


class Turns:
    """A first-come line that a visitor joins anew for each picture: several visitors' runs interleave."""

    def __init__(self, *, most: int = 32):
        self._most = most
        self._line: deque[Ticket] = deque()
        self._moved = Condition()

    @contextmanager
    def join(self, visitor: str) -> Iterator[Ticket]:
        """A place in the line while the block runs; UserError when the line is full."""
        ticket = Ticket(self, visitor)
        with self._moved:
            if len(self._line) >= self._most:
                raise UserError(
                    "Many people are waiting right now; please try again in a minute.", code="busy"
                )
            self._line.append(ticket)
        try:
            yield ticket
        finally:
            with self._moved:
                self._line.remove(ticket)
                self._moved.notify_all()

    def _ahead(self, ticket: Ticket) -> int:
        with self._moved:
            return self._line.index(ticket)

    def _wait(self, ticket: Ticket, seconds: float) -> int:
        with self._moved:
            self._moved.wait_for(lambda: self._line[0] is ticket, timeout=seconds)
            return self._line.index(ticket)
