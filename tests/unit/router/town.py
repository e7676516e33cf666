"""A small town to tell stories in: one community, its street, its district, and the people on their posts."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Self
from uuid import UUID, uuid5

from libs.directory.model import Division, Holder, Post, Route
from libs.events.catalogue import CaseEscalated, DeadlineMissed, NotificationRequested, ReportReceived
from libs.terms import AgeBand, Answer, Channel, Danger, Situation, Tier
from services.router.rules.case import CaseState, Kind, Moment, Outcome
from services.router.rules.machine import fire, open_case
from services.router.rules.policy_files import load_book, load_calendar
from services.router.rules.policy_parts import CallWhen, VoiceRule
from services.router.rules.simulate import Numbered

T0 = datetime(2026, 3, 4, 2, 0, tzinfo=UTC)  # a Wednesday, 10:00 in Shenzhen
COMMUNITY, STREET, DISTRICT, CITY, PROVINCE = "440304001020", "440304001", "440304", "4403", "44"
BOOK = load_book()
CALENDAR = load_calendar()
FUTIAN = BOOK.in_force(COMMUNITY, T0)
CALLING = FUTIAN.model_copy(
    update={
        "voice": (
            VoiceRule(grades=("I",), when=CallWhen.START),
            VoiceRule(grades=("I", "II", "III"), when=CallWhen.SILENCE, at=0.6),
            VoiceRule(grades=("II",), when=CallWhen.SILENCE, at=0.9),
        )
    }
)
"""As in Futian, and the accountable officer is called: for grade I at once, then in silence."""
NAMES = UUID(int=7)

DIVISIONS = (
    Division(COMMUNITY, "园岭社区", "community", STREET),
    Division(STREET, "园岭街道", "street", DISTRICT),
    Division(DISTRICT, "福田区", "district", CITY),
    Division(CITY, "深圳市", "city", PROVINCE),
    Division(PROVINCE, "广东省", "province", None),
)


def person(name: str) -> UUID:
    return uuid5(NAMES, name)


def post_id(name: str) -> UUID:
    return uuid5(NAMES, f"post {name}")


def post(role: str, division_code: str, tier: Tier, *people: str, order: int = 0, away: tuple[str, ...] = ()) -> Post:
    holders = tuple(Holder(person(name), "primary" if number == 0 else "deputy", name not in away) for number, name in enumerate(people))
    return Post(post_id(role), division_code, role, tier, role, role, order, holders)


def town(division: str = COMMUNITY, *, without: tuple[str, ...] = (), away: tuple[str, ...] = (), extra: tuple[Post, ...] = ()) -> Route:
    """`without`: roles that nobody holds; `away`: people who cannot be reached."""
    everybody = (
        post("community_officer", COMMUNITY, Tier.COMMUNITY, "Lan", "Bo", away=away),
        post("street_officer", STREET, Tier.STREET, "Mei", "Gang", away=away),
        post("district_center", DISTRICT, Tier.DISTRICT, "Dong", away=away),
        post("district_office", DISTRICT, Tier.DISTRICT, "Ou", order=1, away=away),
        post("procurator", DISTRICT, Tier.DISTRICT, "Jian", order=2, away=away),
        post("dispatch_desk", DISTRICT, Tier.DISTRICT, "Tai", order=3, away=away),
        *extra,
    )
    ancestors = tuple(one for one in DIVISIONS if division.startswith(one.code))
    posts = [
        replace(one, holders=()) if one.role in without else one
        for one in everybody
        if division.startswith(one.division_code) or one.role == "dispatch_desk"
    ]
    return Route(ancestors[0], ancestors, tuple(posts), 1)


def report(*situations: Situation, division: str = COMMUNITY, at: datetime = T0, **fields: Any) -> ReportReceived:
    given: dict[str, Any] = {
        "report_id": uuid5(NAMES, f"report {situations} {at}"),
        "received_at": at,
        "channel": Channel.SCHOOL_API,
        "division_code": division,
        "situations": situations,
        "danger": {Danger.DANGER_NOW: Answer.UNKNOWN},
        "age_bands": (AgeBand.UNKNOWN,),
    }
    return ReportReceived(**{**given, **fields})


GRADE_I = Situation.MR1_GENITAL_INJURY
GRADE_II = Situation.MR4_ABUSE_INJURY
GRADE_III = Situation.GC1_NEGLECT


class Story:
    """Follows one case minute by minute, the way the sweeper would."""

    def __init__(self, first: ReportReceived, route: Route | None = None, **moment: Any) -> None:
        self.ids = Numbered()
        self.moment = Moment(
            **{"now": first.received_at, "policy": FUTIAN, "route": route or town(), "calendar": CALENDAR, "ids": self.ids, **moment}
        )
        self.t0 = first.received_at
        self.events: list[tuple[float, Any]] = []
        self.case: CaseState = self.take(open_case(first, self.moment))

    def take(self, outcome: Outcome) -> CaseState:
        minute = (self.moment.now - self.t0).total_seconds() / 60
        self.events += [(int(minute) if minute == int(minute) else minute, event) for event in outcome.events]
        self.case = outcome.after
        return outcome.after

    def until(self, minute: float) -> Self:
        """Lets time pass; everything due on the way fires at its very instant."""
        end = self.t0 + timedelta(minutes=minute)
        for _ in range(1000):
            wakes = self.case.wakes_at
            if wakes is None or wakes > end:
                break
            self.moment = replace(self.moment, now=max(wakes, self.moment.now))
            self.take(fire(self.case, self.moment))
        self.moment = replace(self.moment, now=end)
        return self

    def sleep_until(self, minute: float) -> Self:
        """Time passes while nothing runs: an outage."""
        self.moment = replace(self.moment, now=self.t0 + timedelta(minutes=minute))
        return self

    def wake_up(self) -> Self:
        self.take(fire(self.case, self.moment))
        return self

    @property
    def told(self) -> list[str]:
        """`minute purpose person` for each message on the ladder."""
        names = {person(name): name for name in ("Lan", "Bo", "Mei", "Gang", "Dong", "Ou", "Jian", "Tai", "Xin")}
        return [
            f"{minute} {event.purpose} {names[event.officer_id]}{' voice' if event.channel == 'voice' else ''}"
            for minute, event in self.events
            if isinstance(event, NotificationRequested) and event.officer_id and event.department is None
        ]

    @property
    def departments(self) -> list[str]:
        """`minute purpose department role` for each message about a lane."""
        roles = {post.post_id: post.role for post in self.moment.route.posts}
        return [
            f"{minute} {event.purpose} {event.department} {roles[event.post_id]}"
            for minute, event in self.events
            if isinstance(event, NotificationRequested) and event.department and event.post_id
        ]

    def told_by(self, *purposes: str) -> list[str]:
        return [line for line in self.told if line.split()[1] in purposes]

    def of(self, *kinds: type) -> list[Any]:
        return [event for _, event in self.events if isinstance(event, kinds)]

    @property
    def missed(self) -> list[str]:
        return [f"{minute} {event.step}" for minute, event in self.events if isinstance(event, DeadlineMissed)]

    @property
    def climbs(self) -> list[str]:
        return [
            f"{minute} {event.from_tier}>{event.to_tier} {event.reason}"
            for minute, event in self.events
            if isinstance(event, CaseEscalated)
        ]


def minutes(story: Story, kind: type) -> list[float]:
    return [minute for minute, event in story.events if isinstance(event, kind)]


def armed(story: Story, kind: Kind) -> list[float]:
    """When the armed deadlines of a kind are due, in minutes."""
    return [(one.due_at - story.t0).total_seconds() / 60 for one in story.case.deadlines if one.armed and one.kind is kind]
