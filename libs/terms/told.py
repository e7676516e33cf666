"""What a reporter is told of a report: the stage it has reached and the plain words for it, in both languages (promise 10).

The words name offices, never officers, and say nothing about the child or the family: whoever holds the receipt may be the very
person the report is about. The receipt says them, and so do the webhooks to schools and hospitals.
"""

from enum import StrEnum

from libs.terms import CloseResult, Tier
from libs.terms.label import Label


class Stage(StrEnum):
    """How far it has come, in this order."""

    RECEIVED = "received"
    ASSIGNED = "assigned"
    ACKNOWLEDGED = "acknowledged"
    ON_SITE = "on_site"
    CLOSED = "closed"

    @property
    def rank(self) -> int:
        return list(Stage).index(self)


OFFICES: dict[Tier | None, Label] = {
    Tier.GRID: Label("社区网格员", "The grid worker of the community"),
    Tier.COMMUNITY: Label("社区儿童主任", "The community’s child officer"),
    Tier.STREET: Label("街道", "The street office"),
    Tier.DISTRICT: Label("区未成年人保护中心", "The district’s child protection centre"),
    Tier.CITY: Label("市民政部门", "The city’s civil affairs office"),
    None: Label("负责单位", "The office in charge"),
}
"""The level of an office as people call it."""

_TAKEN_OVER = Label("已核查，已由主管部门接手办理。", "It was looked into, and the authority whose task it is has taken over.")

RESULTS: dict[CloseResult, Label] = {
    CloseResult.CHILD_SAFE: Label("已核查，孩子安全。", "It was looked into, and the child is safe."),
    CloseResult.PLACED: Label("已核查，孩子已得到妥善照料。", "It was looked into, and the child is cared for."),
    CloseResult.UNDER_PROTECTION_PLAN: Label("已核查，正在持续提供帮助。", "It was looked into, and help is under way and goes on."),
    CloseResult.HANDED_TO_POLICE: _TAKEN_OVER,
    CloseResult.TRANSFERRED: _TAKEN_OVER,
    CloseResult.UNFOUNDED: Label(
        "已核查，未发现危险。感谢您的关注。",
        "It was looked into, and no danger was found. Thank you for not looking away.",
    ),
    CloseResult.DUPLICATE: Label(
        "此事此前已有人报告，正在一并处理。",
        "The same matter had been reported before and is being dealt with there.",
    ),
}
"""How it ended, told so that it hurts nobody when the wrong person reads it."""

_HEADLINES: dict[Stage, Label] = {
    Stage.RECEIVED: Label("您的报告已收到，正在通知负责单位。", "Your report has arrived. The office in charge is being told now."),
    Stage.ASSIGNED: Label("由{office}负责，已经通知到。", "{office} is responsible and has been told."),
    Stage.ACKNOWLEDGED: Label("{office}正在处理。", "{office} is working on it."),
    Stage.ON_SITE: Label("{office}正在处理，已到过现场。", "{office} is working on it and has been on site."),
    Stage.CLOSED: Label("此事已办结：{result}", "This matter has been dealt with: {result}"),
}


def headline(stage: Stage, tier: Tier | None, result: CloseResult | None, locale: str | None = None) -> str:
    """The present state in one sentence, in `locale`, by default in the language of the work at hand."""
    office = OFFICES[tier].text(locale)
    return _HEADLINES[stage].text(locale).format(office=office, result=RESULTS[result or CloseResult.CHILD_SAFE].text(locale))
