"""What the timeline of a case calls things."""

from collections.abc import Mapping
from typing import Any

from libs.i18n import N_
from libs.i18n import gettext as _
from libs.terms import (
    CloseResult,
    ConflictReason,
    DeclineReason,
    Department,
    Household,
    LaneResult,
    PlacementNeed,
    Purpose,
    Step,
    Tier,
    TransferReason,
    labels,
)
from services.router.handlers import words
from services.router.rules.acts import RegradeReason

EVENTS = {
    "report.received": N_("Report received"),
    "report.viewed": N_("Report read"),
    "report.progressed": N_("Sender told how it goes on"),
    "case.opened": N_("Case opened"),
    "case.report_attached": N_("A further report joined"),
    "case.assigned": N_("Told"),
    "case.acknowledged": N_("Acknowledged"),
    "acknowledgement.expired": N_("No step followed the acknowledgement"),
    "case.declined": N_("Declined"),
    "case.escalated": N_("Escalated"),
    "case.supervised": N_("Supervising posts told"),
    "case.placed": N_("Placed"),
    "case.regraded": N_("Grade changed"),
    "case.policy_changed": N_("Moved to other rules"),
    "case.step_done": N_("Step done"),
    "case.closed": N_("Closed"),
    "case.transfer_requested": N_("Another area asked to take the case"),
    "case.transfer_returned": N_("Transfer came back"),
    "case.transferred": N_("Taken over by another area"),
    "case.shuttled": N_("Handed to and fro"),
    "case.post_skipped": N_("Post passed over"),
    "placement.requested": N_("A child has to be placed"),
    "placement.made": N_("The child was placed"),
    "lane.told": N_("Department told"),
    "lane.unreached": N_("Department without anybody reachable"),
    "lane.accepted": N_("Accepted by the department"),
    "lane.declined": N_("Declined by the department"),
    "lane.done": N_("Department is done"),
    "lane.clock_recorded": N_("Department’s time recorded"),
    "lane.clock_passed": N_("Department’s time has passed"),
    "deadline.missed": N_("Deadline missed"),
    "deadline.reminded": N_("Reminded"),
    "notification.requested": N_("Message asked for"),
    "notification.submitted": N_("Message handed to the gateway"),
    "notification.delivered": N_("Message on the phone"),
    "notification.failed": N_("Message failed"),
    "notification.resent": N_("Message sent again by hand"),
    "budget.spent": N_("The day’s messages to an officer are used up"),
    "officer.replied": N_("Officer replied"),
}
BAD_BESIDE = ("case.transfer_returned", "case.shuttled", "lane.unreached", "lane.declined", "lane.clock_passed")
BAD = (
    "deadline.missed",
    "acknowledgement.expired",
    "case.escalated",
    "case.supervised",
    "case.declined",
    "notification.failed",
    "budget.spent",
    *BAD_BESIDE,
)
GOOD = ("case.acknowledged", "case.step_done", "case.closed", "notification.delivered", "lane.accepted", "lane.done", "placement.made")
DETAILS = ("notification.requested", "notification.submitted", "report.progressed")
"""Shown when somebody asks: what counts is whether the message arrived."""
READINGS = {
    "case_work": N_("for work on the case"),
    "supervision": N_("for supervision"),
    "reply_to_reporter": N_("for the reply to the reporter"),
}
"""Why a report was read."""
CLIMBS = {
    "silence": N_("nobody answered in time"),
    "declined": N_("declined"),
    "unreachable": N_("nobody could be reached"),
    "step_missed": N_("a step was not done in time"),
    "raised": N_("raised"),
    "opened": N_("answers for it"),
    "fan_out": N_("told beside"),
    "escalated": N_("answers for it now"),
    "placed": N_("placed"),
    "regraded": N_("grade changed"),
    "by_rule": N_("by the rules"),
    "referred": N_("referred"),
    "transferred": N_("transferred"),
    "transfer_refused": N_("transfer refused"),
    "transfer_lapsed": N_("nobody accepted the transfer"),
    "conflict": N_("conflict of interest"),
    "refused": N_("refused"),
    "withdrawn": N_("withdrawn"),
}


def timeline_words(options: Mapping[str, str]) -> dict[str, Any]:
    """Every word that the timeline of a case may need, for the script that shows it; `options`: the policy's ways to place a child."""
    return {
        "events": {name: _(text) for name, text in EVENTS.items()},
        "bad": BAD,
        "good": GOOD,
        "details": DETAILS,
        "nothing": _("Nothing has been recorded yet."),
        "tiers": {tier: labels.label(tier) for tier in Tier},
        "step": {step: labels.label(step) for step in Step},
        "purpose": {**{purpose: labels.label(purpose) for purpose in Purpose}, **{name: _(text) for name, text in READINGS.items()}},
        "reason": {
            **{one: labels.label(one) for one in (*DeclineReason, *TransferReason, *ConflictReason, *PlacementNeed)},
            **{one: words.grade_reason(one) for one in RegradeReason},
            **{name: _(text) for name, text in CLIMBS.items()},
        },
        "household": {one: labels.label(one) for one in Household},
        "option": dict(options),
        "department": {one: labels.label(one) for one in Department},
        "result": {**{one: labels.label(one) for one in LaneResult}, **{one: labels.label(one) for one in CloseResult}},
    }
