"""How an SMS says a time: short, in the zone of the division, in the officer's language."""

from datetime import UTC, datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

Language = Literal["zh_CN", "en"]

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def moment(at: datetime, now: datetime, zone: str, language: Language) -> str:
    """`今日03:10`, `明日03:10`, `8月3日03:10`: the day as the people of the division's zone call it."""
    here, today = at.astimezone(ZoneInfo(zone)), now.astimezone(UTC).astimezone(ZoneInfo(zone)).date()
    days = (here.date() - today).days
    if language == "zh_CN":
        day = {0: "今日", 1: "明日"}.get(days, f"{here.month}月{here.day}日")
        return f"{day}{here:%H:%M}"
    day = {0: "today", 1: "tomorrow"}.get(days, f"{here.day} {_MONTHS[here.month - 1]}")
    return f"{day} {here:%H:%M}"


def date(at: datetime, zone: str, language: Language) -> str:
    """`8月3日03:10`: good also when it is read the day after."""
    here = at.astimezone(ZoneInfo(zone))
    return f"{here.month}月{here.day}日{here:%H:%M}" if language == "zh_CN" else f"{here.day} {_MONTHS[here.month - 1]} {here:%H:%M}"


def left_of(left: timedelta, language: Language) -> str:
    """The time left, rounded down, in the largest unit that still says enough: 119 minutes, 47 hours, 999 days."""
    minutes = int(left.total_seconds() // 60)
    number, zh, en = (minutes, "分钟", "min") if minutes < 120 else (minutes // 60, "小时", "h")
    if minutes >= 48 * 60:
        number, zh, en = min(minutes // 1440, 999), "天", "days"
    return f"{number}{zh}" if language == "zh_CN" else f"{number} {en}"
