"""The measured steps of a case, and how each is judged.

Every lag runs from the receipt of the case's first report. *Lenient* is the first contact attempted on the spot, *strict* is the child
sighted; both are judged against the same deadline, and both are reported.
"""

from enum import StrEnum

from libs.terms import Step


class Measured(StrEnum):
    """What is measured on a case, in the usual order of things."""

    ROUTED = "routed"
    SUBMITTED = "submitted"
    DELIVERED = "delivered"
    ACKNOWLEDGED = "acknowledged"
    ON_SITE_ATTEMPTED = "on_site_attempted"
    CHILD_SIGHTED = "child_sighted"
    FIRST_WRITTEN_UP = "first_written_up"
    ASSESSMENT = "assessment"
    CASE_CONFERENCE = "case_conference"
    POLICE_LINKED = "police_linked"
    REPORTER_INFORMED = "reporter_informed"
    CLOSED = "closed"


DUE_BY: dict[Measured, Step] = {
    Measured.ROUTED: Step.DISPATCH,
    Measured.ACKNOWLEDGED: Step.ACKNOWLEDGE,
    Measured.ON_SITE_ATTEMPTED: Step.ON_SITE,
    Measured.CHILD_SIGHTED: Step.ON_SITE,
    Measured.FIRST_WRITTEN_UP: Step.FIRST_WRITTEN_UP,
    Measured.ASSESSMENT: Step.ASSESSMENT,
    Measured.CASE_CONFERENCE: Step.CASE_CONFERENCE,
    Measured.POLICE_LINKED: Step.POLICE_LINKED,
    Measured.REPORTER_INFORMED: Step.REPORTER_INFORMED,
    Measured.CLOSED: Step.CLOSE,
}
"""Which deadline each is judged by; the messages have none of their own."""

ALWAYS = frozenset({Measured.ROUTED, Measured.SUBMITTED, Measured.DELIVERED, Measured.ACKNOWLEDGED, Measured.CLOSED})
"""What every case must come to; the others are only asked for where the policy sets a deadline."""

MEASURED_BY: dict[Step, Measured] = {
    Step.DISPATCH: Measured.ROUTED,
    Step.ON_SITE: Measured.ON_SITE_ATTEMPTED,
    Step.FIRST_WRITTEN_UP: Measured.FIRST_WRITTEN_UP,
    Step.ASSESSMENT: Measured.ASSESSMENT,
    Step.CASE_CONFERENCE: Measured.CASE_CONFERENCE,
    Step.POLICE_LINKED: Measured.POLICE_LINKED,
    Step.REPORTER_INFORMED: Measured.REPORTER_INFORMED,
}
"""What a step that was done fulfils; acknowledging and closing have events of their own."""


def steps_done(step: Step, child_sighted: bool) -> tuple[Measured, ...]:
    """What is fulfilled by a step that was done; a visit at which the child was seen is both the lenient and the strict one."""
    sighted = (Measured.CHILD_SIGHTED,) if step == Step.ON_SITE and child_sighted else ()
    return (*((MEASURED_BY[step],) if step in MEASURED_BY else ()), *sighted)


DETAILS = frozenset(
    {
        "reason",
        "household",
        "option",
        "via",
        "step",
        "purpose",
        "channel",
        "gateway",
        "action",
        "accountable",
        "from_tier",
        "to_tier",
        "from_grade",
        "from_division_code",
        "grade_reason",
        "round",
        "fraction",
        "result",
        "reporter_informed",
        "late",
        "late_s",
        "due_at",
        "done_at",
        "deadline_at",
        "child_sighted",
        "needs_placing",
        "policy_id",
        "policy_version",
        "deadlines",
        "situations",
        "notification_id",
        "department",
        "mode",
        "clock",
        "what",
        "accept_by",
        "happened_at",
        "to_division_code",
        "moves",
    }
)
"""What a timeline tells of an event beyond its columns: codes, numbers and times."""
