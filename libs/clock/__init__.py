"""The one clock. Nobody else reads the time: it is passed in, so that tests and demonstrations can move it."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Where the time comes from."""

    def now(self) -> datetime:
        """The present instant, aware, in UTC."""
        ...

    def elapsed_s(self) -> float:
        """Seconds on a clock that never goes backwards; only differences mean something."""
        ...

    async def wait(self, wake: asyncio.Event | None, timeout_s: float) -> bool:
        """Waits until `wake` is set (True) or `timeout_s` seconds of this clock have passed (False)."""
        ...


async def pause(real_s: float) -> None:
    """Waits `real_s` seconds of the world, whatever any clock says: to pace what is sent to people who are watching."""
    await asyncio.sleep(real_s)


async def _wait_real(wake: asyncio.Event | None, timeout_s: float) -> bool:
    if wake is None:
        await asyncio.sleep(max(timeout_s, 0))
        return False
    try:
        async with asyncio.timeout(max(timeout_s, 0)):
            await wake.wait()
    except TimeoutError:
        return False
    return True


class SystemClock:
    """The machine's own clock, corrected by an offset that `libs.db` measures against the database (DESIGN section 6)."""

    def __init__(self) -> None:
        self.offset = timedelta(0)

    def now(self) -> datetime:
        return datetime.now(UTC) + self.offset

    def elapsed_s(self) -> float:
        return time.monotonic()

    async def wait(self, wake: asyncio.Event | None, timeout_s: float) -> bool:
        return await _wait_real(wake, timeout_s)


class CatchUpClock:
    """Starts in the past and runs `speed` times as fast as the world until it has caught up with it.

    For demonstrations: a whole day is played in minutes, and what it leaves behind lies in the past, never in the future.
    """

    def __init__(self, start: datetime, speed: float) -> None:
        if speed < 1:
            msg = f"the speed of a catch-up clock is at least 1, not {speed}"
            raise ValueError(msg)
        self.speed = speed
        self._start = start
        self._began_s = time.monotonic()
        lag_s = (datetime.now(UTC) - start).total_seconds()
        self._catch_up_s = lag_s / (speed - 1) if speed > 1 else 0.0
        self.offset = timedelta(0)

    def now(self) -> datetime:
        elapsed_s = time.monotonic() - self._began_s
        fast_s = min(elapsed_s, self._catch_up_s)
        return self._start + timedelta(seconds=fast_s * self.speed + (elapsed_s - fast_s))

    def elapsed_s(self) -> float:
        return time.monotonic()

    async def wait(self, wake: asyncio.Event | None, timeout_s: float) -> bool:
        fast = time.monotonic() - self._began_s < self._catch_up_s
        return await _wait_real(wake, timeout_s / self.speed if fast else timeout_s)


class FakeClock:
    """Stands still until a test advances it. Waiting on it returns at once, so background loops never run in tests."""

    def __init__(self, now: datetime) -> None:
        self._now = now
        self.offset = timedelta(0)

    def now(self) -> datetime:
        return self._now

    def elapsed_s(self) -> float:
        return self._now.timestamp()

    def advance(self, **by: float) -> datetime:
        """Moves on by `timedelta(**by)`; answers the new time."""
        step = timedelta(**by)
        if step < timedelta(0):
            msg = "time does not run backwards"
            raise ValueError(msg)
        self._now += step
        return self._now

    def set(self, now: datetime) -> None:
        """Moves on to `now`."""
        self.advance(seconds=(now - self._now).total_seconds())

    async def wait(self, wake: asyncio.Event | None, timeout_s: float) -> bool:  # noqa: ARG002 - the port's shape
        await asyncio.sleep(0)
        return wake is not None and wake.is_set()
