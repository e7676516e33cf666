"""Invented people of a realistic day: who reports what and when, and how officers answer. The same seed makes the same day.

Curves: intake-model.md (hours of generic emergency calls; reporters as in the US in 2020; harms as in Brazil's Disque 100). Every narrative
is synthetic and says so.
"""

import bisect
import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Any, Literal

HOUR_WEIGHTS = (
    *(2.2, 2.0, 2.1, 1.9, 1.4, 1.7, 2.5, 3.7, 4.5, 5.3, 5.6, 6.3),
    *(5.9, 5.7, 5.8, 5.8, 6.1, 6.1, 5.3, 5.2, 4.8, 4.6, 3.4, 2.3),
)
"""Per cent of a day's reports, by hour 0–23."""
WEEKDAY_WEIGHTS = (14.6, 14.7, 14.7, 14.9, 15.4, 14.4, 11.3)
"""Per cent of a week's reports, Monday to Sunday."""
NIGHT_HOURS = frozenset({23, 0, 1, 2, 3, 4, 5})
MARK = "【演示】"


def arrivals(start: datetime, length: timedelta, count: int, random: Random) -> list[float]:
    """When `count` reports come in within `length` from `start` (local time), as seconds since start, in order."""
    hours = max(1, math.ceil(length.total_seconds() / 3600))
    moments = [start + timedelta(hours=n) for n in range(hours)]
    weights = list(itertools.accumulate(HOUR_WEIGHTS[at.hour] * WEEKDAY_WEIGHTS[at.weekday()] for at in moments))
    end_s = length.total_seconds()
    found: list[float] = []
    while len(found) < count:
        hour = bisect.bisect(weights, random.random() * weights[-1])
        at_s = (hour + random.random()) * 3600
        if at_s < end_s:
            found.append(at_s)
    return sorted(found)


@dataclass(frozen=True, slots=True)
class _Reporters:
    """A kind of reporter: `unit` is the kind of unit that must report (OPINION2020 art 3), if any."""

    weight: float
    categories: tuple[str, ...]
    channels: tuple[str, ...]
    unit: str | None = None


_REPORTERS = (
    _Reporters(20.9, ("police",), ("hotline", "in_person"), "state_organ"),
    _Reporters(17.2, ("teacher", "school_staff", "school_social_worker"), ("school_api",), "school"),
    _Reporters(11.6, ("doctor", "nurse"), ("hospital_api",), "medical"),
    _Reporters(17.0, ("neighbour", "relative", "parent", "child_self"), ("hotline", "web")),
    _Reporters(13.3, ("social_worker", "child_welfare_org", "community_committee"), ("hotline", "in_person")),
    _Reporters(20.0, ("anonymous", "other", "hotel", "transport"), ("hotline", "web")),
)


@dataclass(frozen=True, slots=True)
class _Harm:
    """A kind of harm, the situations that it may come as (weighted), where it happens, and what somebody might write."""

    weight: float
    types: tuple[str, ...]
    situations: Mapping[str, float]
    settings: tuple[str, ...]
    stories: tuple[str, ...]


_HARMS = (
    _Harm(
        35,
        ("neglect", "abandonment", "medical_neglect"),
        {
            "GC1_NEGLECT": 4,
            "GC3_LIVING_ALONE": 3,
            "GC4_IMPROPER_GUARDIANSHIP": 3,
            "GC2_NO_GUARDIAN": 1,
            "GC5_DROPOUT": 1,
            "MR6_ABANDONED": 0.4,
        },
        ("home", "street"),
        (
            "孩子多日独自在家，白天夜里都没有大人，靠邻居送饭。",
            "孩子衣着单薄、明显消瘦，说家里常常没有人做饭。",
            "监护人长期外出，孩子由年迈的老人照看，老人近日住院。",
            "孩子连续两周没有到校，家里电话一直没有人接。",
        ),
    ),
    _Harm(
        34,
        ("physical", "emotional", "bullying"),
        {
            "MR4_ABUSE_INJURY": 6,
            "GC6_SCHOOL_BULLYING": 2,
            "GC4_IMPROPER_GUARDIANSHIP": 1.5,
            "MR5_ABNORMAL_HARM": 0.3,
            "MR9_OTHER_OR_IMMINENT": 0.7,
        },
        ("home", "school"),
        (
            "孩子手臂和背部有多处新旧不一的淤青，问起时低头不说话。",
            "夜里听到隔壁打骂声和孩子的哭喊声，已经不是第一次。",
            "就诊时伤情与家长所述经过不符，孩子不愿与家长单独在一起。",
            "孩子说在学校被几个同学长期推打，不敢去上学。",
        ),
    ),
    _Harm(
        31,
        ("sexual", "online_sexual"),
        {"MR2_U14_SEXUAL": 4, "MR3_O14_SEXUAL": 2, "MR1_GENITAL_INJURY": 1, "MR9_OTHER_OR_IMMINENT": 1},
        ("home", "online", "other"),
        (
            "孩子向老师说起一名熟人对其有不当行为，情绪很不稳定。",
            "体检时发现疑似异常情况，需要进一步了解。",
            "孩子的聊天软件里有陌生成年人索要照片的记录。",
        ),
    ),
)


def report(division_code: str, random: Random) -> dict[str, Any]:
    """The body of a POST /v1/reports, about an invented child at `division_code`."""
    reporter = _choose(_REPORTERS, random)
    harm = _choose(_HARMS, random)
    category = random.choice(reporter.categories)
    situation = random.choices(list(harm.situations), list(harm.situations.values()))[0]
    urgent = random.random() < 0.12
    body: dict[str, Any] = {
        "channel": random.choice(reporter.channels),
        "situations": [situation],
        "narrative": f"{MARK}（合成内容，非真实事件）{random.choice(harm.stories)}",
        "language": "zh-CN",
        "reporter": {
            "category": category,
            **({"unit": reporter.unit} if reporter.unit else {}),
            "confidentiality": "anonymous" if category == "anonymous" else "confidential",
            "callback_ok": "no" if category == "anonymous" else random.choice(("yes", "yes", "unknown")),
        },
        "children": [_child(division_code, random)],
        "harms": [{"type": random.choice(harm.types), "frequency": random.choice(("once", "repeated", "ongoing", "unknown")),
                   "setting": random.choice(harm.settings)}],
        "danger": {
            "danger_now": "yes" if urgent else random.choice(("no", "no", "unknown")),
            "needs_medical_now": "yes" if urgent and random.random() < 0.3 else random.choice(("no", "unknown")),
            "perpetrator_has_access": random.choice(("yes", "no", "unknown", "unknown")),
            "child_alone": random.choice(("yes", "no", "unknown", "unknown")),
        },
    }  # fmt: skip
    if random.random() < 0.1:
        body["children"].append(_child(division_code, random))
    return body


def _child(division_code: str, random: Random) -> dict[str, Any]:
    age = min(17, max(0, round(random.gauss(10, 4.5))))
    return {
        "sex": random.choice(("male", "female", "female", "unknown")),
        **({"age": age, "age_estimated": random.random() < 0.5} if random.random() < 0.8 else {}),
        "living_situation": random.choice(("parents", "one_parent", "relatives", "left_behind", "unknown")),
        "current_location": {"division_code": division_code},
    }


Nature = Literal["prompt", "busy", "sleeper", "refuser", "absent"]
_NATURES: Mapping[Nature, float] = {"prompt": 48, "busy": 27, "sleeper": 11, "refuser": 8, "absent": 6}
_PATIENCE_S: Mapping[Nature, float] = {"prompt": 150, "busy": 900, "sleeper": 600, "refuser": 240, "absent": 0}
"""The median time until each kind answers an SMS."""


@dataclass(frozen=True, slots=True)
class Reaction:
    """What an officer does about an SMS that asks for an answer: after how many seconds, and which."""

    answer: Literal["acknowledge", "decline"]
    after_s: float


class Officer:
    """Somebody with a phone. Prompt ones answer within minutes, busy ones within a quarter of an hour; sleepers do not hear it at night."""

    def __init__(self, phone: str, seed: int) -> None:
        self._random = Random(f"{seed}:{phone}")  # noqa: S311 - play, not secrets
        self.nature: Nature = self._random.choices(list(_NATURES), list(_NATURES.values()))[0]

    def reacts(self, hour: int, *, again: bool) -> Reaction | None:
        """The reaction to an SMS at `hour` of the day; None: none at all. `again`: it is a reminder of one that was left unanswered."""
        random = self._random
        if self.nature == "absent" and random.random() < 0.85:
            return None
        if self.nature == "sleeper" and hour in NIGHT_HOURS and random.random() < 0.9:
            return None
        if again and random.random() < 0.4:
            return None
        answer: Literal["acknowledge", "decline"] = "decline" if self.nature == "refuser" and random.random() < 0.6 else "acknowledge"
        return Reaction(answer, lognormal(_PATIENCE_S[self.nature] or 1200, 0.8, random))


@dataclass(frozen=True, slots=True)
class Visit:
    """A step that the owner will do: `fraction` of the step's time, counted from receipt; a fraction over 1 is late."""

    step: str
    fraction: float
    child_sighted: bool | None = None


def work(random: Random) -> list[Visit]:
    """What the owner of a case does of its steps, and when: most in time, some late, some never."""
    found: list[Visit] = []
    for step, median in (
        ("police_linked", 0.3),
        ("on_site", 0.45),
        ("first_written_up", 0.6),
        ("assessment", 0.5),
        ("case_conference", 0.6),
    ):
        if random.random() < 0.06:
            continue  # forgotten: its deadline will climb
        fraction = lognormal(median, 0.35, random)
        if step != "on_site":
            found.append(Visit(step, fraction))
        elif random.random() < 0.75:
            found.append(Visit(step, fraction, child_sighted=True))
        else:
            found += [Visit(step, fraction, child_sighted=False), Visit(step, fraction * 1.6, child_sighted=True)]
    return found


def closing(random: Random) -> tuple[str, float] | None:
    """Whether a case ends within its first day: with which result, and how many seconds after the child was seen."""
    if random.random() > 0.3:
        return None
    result = random.choices(("child_safe", "unfounded", "handed_to_police", "transferred", "under_protection_plan"), (5, 2, 2, 1, 2))[0]
    return result, lognormal(2 * 3600, 0.6, random)


def lognormal(median: float, sigma: float, random: Random) -> float:
    """A positive quantity whose middle value is `median`; two thirds lie within a factor of e^sigma."""
    return median * math.exp(random.gauss(0, sigma))


def _choose(kinds: Sequence[Any], random: Random) -> Any:
    return random.choices(kinds, [kind.weight for kind in kinds])[0]
