"""The values that a policy file is made of: lengths of time, roles, names of grades, texts in both languages."""

import re
from datetime import UTC, datetime, time, timedelta
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, StringConstraints, WithJsonSchema

from libs.directory.roles import POST_ROLES

LONGEST = timedelta(days=3_660)
"""The longest time that a policy may name, ten years: what lies further would lie beyond every calendar."""
SOME_DAY = datetime(2026, 1, 1, tzinfo=UTC)
_NUMBER_MAX = 100_000_000
_ISO_DURATION = re.compile(r"P(?=.)(?:(\d+)W)?(?:(\d+)D)?(?:T(?=.)(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?")


def parse_duration(value: object) -> timedelta:
    """An ISO 8601 duration of weeks, days, hours, minutes and seconds; months and years have no fixed length, so they are refused."""
    if isinstance(value, timedelta):
        return value
    match = _ISO_DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        msg = "must be an ISO 8601 duration such as PT10M, PT24H or P15D"
        raise ValueError(msg)
    weeks, days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    if max(weeks, days, hours, minutes, seconds) > _NUMBER_MAX:
        msg = "is longer than anything lasts"
        raise ValueError(msg)
    return timedelta(weeks=weeks, days=days, hours=hours, minutes=minutes, seconds=seconds)


def format_duration(value: timedelta) -> str:
    """The shortest ISO 8601 form in hours, minutes and seconds, or in whole days from three days on."""
    seconds = int(value.total_seconds())
    if seconds and seconds % 86_400 == 0 and seconds > 3 * 86_400:
        return f"P{seconds // 86_400}D"
    hours, minutes, rest = seconds // 3600, seconds // 60 % 60, seconds % 60
    return "PT" + (f"{hours}H" if hours else "") + (f"{minutes}M" if minutes else "") + (f"{rest}S" if rest or not seconds else "")


_DurationText = WithJsonSchema({"type": "string", "pattern": f"^{_ISO_DURATION.pattern}$", "examples": ["PT10M", "P15D"]})
Duration = Annotated[timedelta, BeforeValidator(parse_duration), PlainSerializer(format_duration), _DurationText]
Period = Annotated[str, StringConstraints(pattern=r"^P[1-9]\d{0,3}[DWMY]$|^PT[1-9]\d{0,3}[HM]$")]
"""A span of wall time by the calendar of the place; a law names months and years."""
Source = Annotated[str, StringConstraints(min_length=2, max_length=200)]
Fraction = Annotated[float, Field(gt=0, lt=1)]


def _known_role(value: str) -> str:
    if value not in POST_ROLES:
        msg = f"is not a role that a post can have; those are {', '.join(POST_ROLES)}"
        raise ValueError(msg)
    return value


Role = Annotated[str, AfterValidator(_known_role), WithJsonSchema({"type": "string", "enum": list(POST_ROLES)})]


def _clock_time(value: object) -> time:
    """A time of the day. In YAML an unquoted 20:00 is the number 1200, which nobody means."""
    try:
        found = time.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        found = None
    if not isinstance(found, time) or found.tzinfo is not None:
        msg = 'must be a time of the day in quotes, such as "20:00"'
        raise ValueError(msg)
    return found


ClockTime = Annotated[time, BeforeValidator(_clock_time)]


def _positive(value: timedelta) -> timedelta:
    if value <= timedelta():
        msg = "must be longer than nothing"
        raise ValueError(msg)
    return value


PositiveDuration = Annotated[Duration, AfterValidator(_positive)]
Band = Annotated[
    str,
    BeforeValidator(lambda value: str(value) if isinstance(value, int) and not isinstance(value, bool) else value),
    StringConstraints(pattern=r"^[0-9A-Za-z_\u4e00-\u9fff-]{1,16}$"),
]
"""What a policy calls one of its grades: I, II, III, IV, or a name of its own such as 5, 红 or 极危."""


class Strict(BaseModel):
    """Unknown keys are mistakes, and nothing changes after loading: a policy in use is read by every case that it started."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Text(Strict):
    """A text in both languages."""

    zh: Annotated[str, Field(min_length=1)]
    en: Annotated[str, Field(min_length=1)]

    def of(self, locale: str) -> str:
        """The text in the language of `locale`."""
        return self.zh if locale.startswith("zh") else self.en
