"""What the processes complained of, counted: to be read when something went wrong, and when nothing did."""

import json
from collections import Counter
from pathlib import Path

LINES_MAX = 60


def complaints(folder: Path) -> str:
    """How often each process said what, the worst and the most frequent first."""
    said: Counter[tuple[str, str, str, str]] = Counter()
    for log in folder.glob("*.log"):
        for line in log.read_text(errors="replace").splitlines():
            try:
                entry = json.loads(line)
                what = str(entry.get("loop") or entry.get("logger") or entry.get("group") or "")
                said[str(entry.get("level")), str(entry.get("event"))[:90], what, str(entry.get("error", ""))] += 1
            except (ValueError, AttributeError):
                said["?", line[:120], log.name, ""] += 1
    order = {"critical": 0, "error": 1, "?": 2}
    lines = [
        f"{count:>6}  {level:<8} {event} {what} {error}"
        for (level, event, what, error), count in sorted(said.items(), key=lambda item: (order.get(item[0][0], 3), -item[1]))
    ]
    return "\n".join(lines[:LINES_MAX])
