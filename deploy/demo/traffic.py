"""Plays a realistic day against a running Tocsin, through its public interface only, as many times faster as is asked for.

Reports come in by the curves of `people`; officers read their virtual phones and answer, decline or sleep; owners go on site, write up and
close. Everything waits in one agenda by the stage's own time (seconds since the play began, `speed` times faster than the world's), so that
nothing sleeps by itself and a test can play it step by step.
"""

import asyncio
import heapq
import itertools
import re
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from functools import partial
from random import Random
from typing import Any
from uuid import UUID

from deploy.demo import people
from deploy.demo.client import Answer, Call, NoAnswerError
from deploy.demo.people import Officer, Visit
from libs.clock import Clock
from libs.i18n import gettext as _

Say = Callable[[str], None]
Act = Callable[[float], Awaitable[None]]

AT_ONCE_MAX = 16
TRIES_MAX = 10
RETRY_S = 0.5
POLL_S = 0.5
PROGRESS_S = 5.0
UNTIMED_S = 4 * 3600.0
"""How long people have for what no policy sets a deadline for."""
LOOK_S = 60.0
LOOK_MAX_S = 1800.0
PLACES_MAX = 2000
STREET_ONLY_SHARE = 0.04
PLACE_UNKNOWN_SHARE = 0.01
"""Of such reports only the district is known: a dispatch desk has to place them."""
WORKBENCH_SHARE = 0.12

_CODE = re.compile(r"(?<![0-9A-Z])[23456789CFGHJMPQRVWX]{6}(?![0-9A-Z])")
_ASKS = ("回复1", "Reply 1")
_RECALLS = ("无需处理", "need not do anything")


@dataclass(frozen=True, slots=True)
class Show:
    """What is played: `reports` within `length` from `start` (local time), `speed` times faster than real, always the same for one `seed`.

    `division` is the place whose communities the reports come from.
    """

    start: datetime
    length: timedelta
    reports: int
    speed: float
    seed: int = 1
    division: str = "440304"


@dataclass(slots=True)
class Tally:
    """What happened. `unanswered` are SMS that nobody reacted to; `failures` are calls that did not work in the end."""

    planned: int = 0
    accepted: int = 0
    refused: int = 0
    retries: int = 0
    messages: int = 0
    answered: int = 0
    declined: int = 0
    unanswered: int = 0
    placed: int = 0
    taken: int = 0
    steps: int = 0
    closed: int = 0
    failures: int = 0


@dataclass(slots=True)
class _Case:
    """A report and what became of it. `sent_s` is when it was sent, on the stage's time."""

    report_id: UUID
    sent_s: float
    received_at: datetime
    random: Random
    case_id: UUID | None = None
    officer_id: str | None = None
    deadlines: dict[str, datetime] = field(default_factory=dict)
    asked: frozenset[str] = frozenset()
    """Steps without which the case cannot be closed."""
    looked: int = 0


class Play:
    """One performance. `run` plays it in real time; `step` plays everything up to an instant of the stage."""

    def __init__(self, call: Call, show: Show, clock: Clock, say: Say) -> None:
        self.tally = Tally(planned=show.reports)
        self._call = call
        self._show = show
        self._clock = clock
        self._say = say
        self._random = Random(show.seed)  # noqa: S311 - play, not secrets
        self._agenda: list[tuple[float, int, Act]] = []
        self._numbers = itertools.count()
        self._gate = asyncio.Semaphore(AT_ONCE_MAX)
        self._officers: dict[str, Officer] = {}
        self._open: dict[str, set[str]] = {}
        self._communities: list[str] = []
        self._last_sid = ""
        self.now_s = 0.0

    async def run(self) -> Tally:
        """Plays until the end of the show; cancelled, it stops where it is. The tally stands in either case."""
        await self.prepare()
        began_s = self._clock.elapsed_s()
        polled_s = told_s = -PROGRESS_S
        while self.now_s < self._show.length.total_seconds():
            elapsed_s = self._clock.elapsed_s() - began_s
            if elapsed_s - polled_s >= POLL_S:
                polled_s = elapsed_s
                await self._read_phones(self.now_s)
            await self._act(elapsed_s * self._show.speed)
            if elapsed_s - told_s >= PROGRESS_S:
                told_s = elapsed_s
                self._say(self.progress())
            next_s = self._agenda[0][0] / self._show.speed if self._agenda else elapsed_s + POLL_S
            spent_s = self._clock.elapsed_s() - began_s
            await self._clock.wait(None, min(max(next_s - spent_s, 0.01), POLL_S))
        return self.tally

    async def prepare(self) -> None:
        """Asks where reports may come from and plans them. Raises NoAnswerError when the server is not there."""
        self._communities, streets = await self._places()
        seconds = people.arrivals(self._show.start, self._show.length, self._show.reports, self._random)
        for number, at_s in enumerate(seconds):
            own = Random(f"{self._show.seed}:{number}")  # noqa: S311 - play, not secrets
            known = own.random()
            division = own.choice(streets if known < STREET_ONLY_SHARE else self._communities)
            if known > 1 - PLACE_UNKNOWN_SHARE:
                division = self._show.division
            key = f"demo-{self._show.start:%Y%m%dT%H%M%S.%f}-{number}"  # a new play is a new day
            self._at(at_s, partial(self._report, people.report(division, own), key, own, 1))

    async def step(self, until_s: float) -> None:
        """Plays everything up to `until_s`, the phones first."""
        await self._read_phones(until_s)
        await self._act(until_s)

    def progress(self) -> str:
        """One line about how it goes."""
        tally = self.tally
        return _(
            "%(at)s  %(accepted)s of %(planned)s reports, %(messages)s SMS, %(answered)s answered, %(declined)s declined, "
            "%(taken)s cases taken, %(steps)s steps, %(closed)s closed",
            at=(self._show.start + timedelta(seconds=self.now_s)).strftime("%m-%d %H:%M"),
            accepted=tally.accepted,
            planned=tally.planned,
            messages=tally.messages,
            answered=tally.answered,
            declined=tally.declined,
            taken=tally.taken,
            steps=tally.steps,
            closed=tally.closed,
        )

    def summary(self) -> str:
        """What happened, for the end."""
        tally = self.tally
        return _(
            "%(accepted)s of %(planned)s reports accepted (%(refused)s refused, %(retries)s retries), %(messages)s SMS read, "
            "%(unanswered)s left unanswered, %(answered)s answered, %(declined)s declined, %(taken)s cases taken, %(steps)s steps done, "
            "%(closed)s closed, %(failures)s calls failed.",
            **asdict(tally),
        )

    async def verdict(self) -> list[str]:
        """What the server itself says about the response times, by grade; nothing when the key may not ask."""
        answer = await self._try("GET", "/v1/response-times?group_by=grade")
        if answer is None or not answer.ok:
            return []
        lines = []
        for group in answer.body["items"]:
            (ack,) = (step for step in group["steps"] if step["step"] == "acknowledged")
            if ack["share_in_time"] is not None:
                share, half_s = 100 * ack["share_in_time"], round(ack["p50_s"])
                lines.append(
                    _(
                        "Grade %(grade)s: %(cases)s cases, %(share)s %% acknowledged in time, half within %(half)s s",
                        grade=group["key"],
                        cases=group["cases"],
                        share=f"{share:.1f}",
                        half=half_s,
                    )
                )
        return lines

    def _at(self, at_s: float, act: Act) -> None:
        heapq.heappush(self._agenda, (at_s, next(self._numbers), act))

    def _after(self, delay_s: float, act: Act) -> None:
        self._at(self.now_s + delay_s, act)

    async def _act(self, until_s: float) -> None:
        self.now_s = max(self.now_s, until_s)
        due: list[tuple[float, Act]] = []
        while self._agenda and self._agenda[0][0] <= until_s:
            at_s, _number, act = heapq.heappop(self._agenda)
            due.append((at_s, act))

        async def gated(at_s: float, act: Act) -> None:
            async with self._gate:
                await act(at_s)

        await asyncio.gather(*(gated(at_s, act) for at_s, act in due))

    async def _places(self) -> tuple[list[str], list[str]]:
        """The communities and streets of the division."""
        streets = await self._children(self._show.division)
        communities: list[str] = []
        for street in streets:
            communities += await self._children(street)
        return communities or streets or [self._show.division], streets or [self._show.division]

    async def _children(self, division: str) -> list[str]:
        found: list[str] = []
        cursor = ""
        while len(found) < PLACES_MAX:
            answer = await self._call("GET", f"/v1/divisions?parent={division}&limit=200{cursor}")
            if not answer.ok:
                raise NoAnswerError(f"/v1/divisions: {answer.status}")
            found += [item["code"] for item in answer.body["items"]]
            if not answer.body["next"]:
                break
            cursor = f"&cursor={answer.body['next']}"
        return found

    async def _report(self, body: dict[str, Any], key: str, own: Random, tries: int, at_s: float) -> None:
        """Sends a report as a school or hospital would: again with the same key until there is an answer."""
        try:
            answer = await self._call("POST", "/v1/reports", json=body, headers={"Idempotency-Key": key})
        except NoAnswerError:
            answer = Answer(503, {})
        if answer.try_again and tries < TRIES_MAX:
            self.tally.retries += 1
            self._after(RETRY_S * 2 ** min(tries, 4) * self._show.speed, partial(self._report, body, key, own, tries + 1))
        elif answer.ok:
            self.tally.accepted += 1
            case = _Case(UUID(answer.body["report_id"]), at_s, datetime.fromisoformat(answer.body["received_at"]), own)
            self._after(self._look_pause_s(case), partial(self._look, case))
        else:
            self.tally.refused += 1

    def _look_pause_s(self, case: _Case) -> float:
        """Longer each time; never so short in the world's time that looking would be all that the server does."""
        pause_s = min(LOOK_S * 1.4**case.looked, LOOK_MAX_S)
        case.looked += 1
        return max(pause_s, 2.0 * self._show.speed)

    async def _look(self, case: _Case, _at_s: float) -> None:
        """Sees how a case stands; once somebody has taken it, plans what they will do."""
        answer = await self._try("GET", f"/v1/cases?report_id={case.report_id}")
        item = answer.body["items"][0] if answer is not None and answer.ok and answer.body["items"] else None
        if item is not None:
            first = case.case_id is None
            case.case_id = UUID(item["case_id"])
            case.officer_id = (item.get("owner") or {}).get("officer_id")
            for deadline in item["deadlines"]:
                case.deadlines.setdefault(deadline["step"], datetime.fromisoformat(deadline["due_at"]))
            case.asked = frozenset(item["missing_to_close"])
            if item["status"] == "closed":
                return
            if item["status"] == "acknowledged":
                self.tally.taken += 1
                self._plan(case)
                return
            if first and item["status"] == "needs_placing":
                self._after(people.lognormal(400, 0.6, case.random), partial(self._place, case))
            elif first and case.random.random() < WORKBENCH_SHARE:
                self._after(people.lognormal(240, 0.7, case.random), partial(self._take_on_workbench, case))
        self._after(self._look_pause_s(case), partial(self._look, case))

    def _plan(self, case: _Case) -> None:
        seen_s = self.now_s
        for visit in people.work(case.random):
            due_at = case.deadlines.get(visit.step)
            if due_at is None and visit.step != "on_site" and visit.step not in case.asked:
                continue
            whole_s = (due_at - case.received_at).total_seconds() if due_at else UNTIMED_S
            at_s = max(case.sent_s + visit.fraction * whole_s, self.now_s + 60 * (1 + case.random.random()))
            self._at(at_s, partial(self._visit, case, visit))
            seen_s = at_s if visit.child_sighted else seen_s
        if ending := people.closing(case.random):
            result, after_s = ending
            self._at(seen_s + after_s, partial(self._close, case, result))

    async def _place(self, case: _Case, _at_s: float) -> None:
        """The dispatch desk finds out where the child is."""
        answer = await self._act_on(case, "place", division_code=case.random.choice(self._communities))
        self.tally.placed += answer is not None and answer.ok

    async def _take_on_workbench(self, case: _Case, _at_s: float) -> None:
        answer = await self._act_on(case, "acknowledge")
        self.tally.answered += answer is not None and answer.ok

    async def _visit(self, case: _Case, visit: Visit, _at_s: float) -> None:
        more = {} if visit.child_sighted is None else {"child_sighted": visit.child_sighted}
        answer = await self._act_on(case, "steps", step=visit.step, **more)
        self.tally.steps += answer is not None and answer.ok

    async def _close(self, case: _Case, result: str, _at_s: float) -> None:
        """Closes a case; what the policy still asks for first (police, the reporter's answer) is done on the way."""
        answer = await self._act_on(case, "close", result=result)
        if answer is not None and answer.status in {409, 422}:
            for error in answer.body.get("errors", ()):
                await self._act_on(case, "steps", step=error["field"])
            answer = await self._act_on(case, "close", result=result)
        self.tally.closed += answer is not None and answer.ok

    async def _act_on(self, case: _Case, action: str, **body: Any) -> Answer | None:
        if case.officer_id is None:
            return None
        return await self._try("POST", f"/v1/cases/{case.case_id}/{action}", json={**body, "on_behalf_of": case.officer_id})

    async def _try(self, method: str, path: str, json: Any = None) -> Answer | None:
        """A call whose failure the play can live with: it is counted."""
        try:
            answer = await self._call(method, path, json=json)
        except NoAnswerError:
            answer = None
        self.tally.failures += answer is None or answer.status >= 500
        return answer

    async def _read_phones(self, now_s: float) -> None:
        """Reads what is new on all phones; every officer decides about every text that asks for an answer."""
        answer = await self._try("GET", "/sandbox/messages?limit=5000" + (f"&after={self._last_sid}" if self._last_sid else ""))
        if answer is None or not answer.ok:
            return
        for message in answer.body["items"]:
            self._last_sid = message["sid"]
            if message.get("direction", "outbound-api") == "outbound-api":
                self.tally.messages += 1
                self._read(message, now_s)

    def _read(self, message: dict[str, Any], now_s: float) -> None:
        body, phone = message["body"], message["to"]
        found = _CODE.search(body)
        if found is None:
            return
        code, waiting = found[0], self._open.setdefault(phone, set())
        if any(text in body for text in _RECALLS):
            waiting.discard(code)
        elif any(text in body for text in _ASKS):
            again = code in waiting
            waiting.add(code)
            officer = self._officers.setdefault(phone, Officer(phone, self._show.seed))
            hour = (self._show.start + timedelta(seconds=now_s)).hour
            reaction = officer.reacts(hour, again=again)
            if reaction is None:
                self.tally.unanswered += 1
            else:
                self._at(now_s + reaction.after_s, partial(self._reply, message["sid"], phone, code, reaction.answer))

    async def _reply(self, sid: str, phone: str, code: str, answer: str, _at_s: float) -> None:
        waiting = self._open[phone]
        if code not in waiting:
            return  # answered before, or recalled
        digit = "1" if answer == "acknowledge" else "2"
        sent = await self._try("POST", f"/sandbox/messages/{sid}/reply", json={"body": digit if len(waiting) == 1 else f"{digit} {code}"})
        waiting.discard(code)
        if sent is not None and sent.ok:
            self.tally.answered += answer == "acknowledge"
            self.tally.declined += answer == "decline"
