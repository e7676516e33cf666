"""A process that has imported everything, and forks: a try costs what the notifier's start costs, not what Python's does.

It never starts a loop or a thread. It reads one order per line, `{"task": …}`, and answers each with how its child ended.
"""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, Self

ROOT = Path(__file__).resolve().parents[3]
WATCHDOG_S = 60


class Nursery:
    """The process, as the one sees it that drives the matrix. `errors`: where its children write their log."""

    def __init__(self, errors: Path) -> None:
        self.errors = errors
        self._log = errors.open("ab")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.matrix.nursery"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(timeout=WATCHDOG_S)
        self._process.stdout.close()
        self._log.close()

    def bear(self, task: dict[str, Any]) -> dict[str, Any]:
        """Forks a child for `task` and waits for its end: `status` as `os.waitpid` has it, `told` its lines. Blocks: for a thread."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(task).encode() + b"\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer


def main() -> None:
    """Serves orders until its input ends."""
    from tests.faults.matrix import victim

    victim.warm()
    for line in sys.stdin:
        told_at, tells_at = os.pipe()
        child = os.fork()
        if not child:
            os.close(told_at)
            signal.alarm(WATCHDOG_S)
            status = 1
            try:
                victim.live(json.loads(line), tells_at)
                status = 0
            finally:
                os._exit(status)
        os.close(tells_at)
        with os.fdopen(told_at) as pipe:
            told = pipe.read().splitlines()
        _, status = os.waitpid(child, 0)
        print(json.dumps({"status": os.waitstatus_to_exitcode(status), "told": told}), flush=True)  # noqa: T201 - the answer


if __name__ == "__main__":
    main()
