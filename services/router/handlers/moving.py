"""Running cases are moved to another policy: foretold, ordered with a reason, done a batch at a time by whichever replica is free."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

import asyncpg
from prometheus_client import Counter

from libs.db import TRANSIENT, Database, Tx
from libs.directory.permissions import Principal, may, require
from libs.errors import Invalid, NotFound
from libs.events import new_event, publish
from libs.events.catalogue import PolicyMoveOrdered, ReportReceived
from libs.events.envelope import new_id
from libs.i18n import gettext as _
from libs.log import get_logger
from services.router.errors import MoveIsRunning, NoSuchMove, UnknownDivision, UnknownPolicy
from services.router.handlers.bindings import By, reason_of
from services.router.handlers.desk import Batch, Desk
from services.router.rules.case import CaseState, Moment, Outcome
from services.router.rules.moving import NO_MOVE, Shift, move, newly_told, shifts
from services.router.rules.policy import Policy
from services.router.store import cases as case_store
from services.router.store import moves as store
from services.router.store import past
from services.router.store.moves import NO_CASE, Wanted

BATCH = 100
PREVIEWED_MAX = 200
START = ("", NO_CASE)

NOT_MOVED = Counter("tocsin_cases_not_moved_total", "Cases that a move to another policy could not move; they stay with their own.")
log = get_logger("router")


class MoveFailed(Exception):
    """A batch of this move cannot be written."""

    def __init__(self, move_id: UUID) -> None:
        super().__init__(str(move_id))
        self.move_id = move_id


@dataclass(frozen=True, slots=True)
class Moved:
    """What a move would do to one case."""

    case: CaseState
    shifts: tuple[Shift, ...]
    told: int


@dataclass(frozen=True, slots=True)
class Preview:
    """What a move would do: `cases` of them, and how each of the first PREVIEWED_MAX would change."""

    wanted: Wanted
    cases: int
    looked_at: tuple[Moved, ...] = field(default=())

    @property
    def told(self) -> int:
        """How many officers would be told of a case that they do not know, among the cases looked at."""
        return sum(one.told for one in self.looked_at)

    @property
    def shifted(self) -> list[Moved]:
        """The cases with a deadline that would change."""
        return [one for one in self.looked_at if one.shifts]


async def wanted(desk: Desk, tx: Tx, who: By, division_code: str, pair: tuple[str, str]) -> Wanted:
    """Which cases are meant: the policies before and after are named `id@version`, or by an id for the newest version."""
    who.require(division_code)
    book = await desk.refresh(tx)
    if division_code and await desk.directory.division(tx, division_code) is None:
        raise UnknownDivision
    policies: list[Policy] = []
    for name, where in zip(pair, ("before", "after"), strict=True):
        found = book.named(name)
        if found is None:
            raise UnknownPolicy(book.ids, where)
        policies.append(found)
    before, after = policies
    if before.stamp == after.stamp:
        raise Invalid("same_policy", _("The cases are answered by this policy already. Choose another one."), field="after")
    return Wanted(division_code, before.id, before.version, after.id, after.version)


async def preview(desk: Desk, tx: Tx, meant: Wanted) -> Preview:
    """What the move would do now; nothing is changed and nobody is told."""
    now = desk.clock.now()
    ids = await store.candidates(tx, meant, now, START, PREVIEWED_MAX)
    found = await case_store.read(tx, [case_id for _division, case_id in ids])
    routes = await desk.routes(tx, (case.division_code for case in found.values()))
    reports = await past.of_cases(tx, list(found))
    policy = _target(desk, meant)
    looked_at: list[Moved] = []
    for case in found.values():
        outcome = _tried(case, desk.moment(routes[case.division_code], policy, now), NO_MOVE, None, reports.get(case.case_id, ()))
        if outcome is not None:
            looked_at.append(Moved(case, tuple(shifts(outcome)), newly_told(outcome)))
    return Preview(meant, await store.count(tx, meant), tuple(looked_at))


async def order(desk: Desk, tx: Tx, who: By, meant: Wanted, reason: str) -> UUID:
    """Asks for the move; a job does it. Cases that open from now on follow what is bound, as ever."""
    why = reason_of(reason)
    who.require(meant.division_code)
    if await store.running(tx, meant) is not None:
        raise MoveIsRunning
    now, move_id = desk.clock.now(), new_id()
    total = await store.count(tx, meant)
    parts = {
        "move_id": move_id,
        "division_code": meant.division_code,
        "from_policy_id": meant.from_policy_id,
        "from_version": meant.from_version,
    }
    made = {
        **parts,
        "to_policy_id": meant.to_policy_id,
        "to_version": meant.to_version,
        "reason": why,
        "made_at": now,
        "made_by": who.account_id,
        "made_by_name": who.name,
        "state": "running",
        "total": total,
        "moved": 0,
        "failed": 0,
        "after_division": "",
        "after_case_id": NO_CASE,
    }
    await store.add(tx, made)
    told = PolicyMoveOrdered.model_validate(
        {**parts, "policy_id": meant.to_policy_id, "policy_version": meant.to_version, "cases": total, "by": who.account_id}
    )
    await publish(tx, [new_event(told, key=move_id, time=now)])
    return move_id


async def work(desk: Desk, tx: Tx, limit: int = BATCH) -> int:
    """Moves the next cases of the oldest move that nobody else is busy with. Answers how much was done: 0 when there is nothing to do.

    Raises `MoveFailed` when a batch cannot be written, and would fail again.
    """
    row = await store.claim(tx)
    if row is None:
        return 0
    try:
        return await _batch(desk, tx, row, limit)
    except TRANSIENT:
        raise
    except Exception as error:
        raise MoveFailed(row["move_id"]) from error


async def _batch(desk: Desk, tx: Tx, row: asyncpg.Record, limit: int) -> int:
    now = desk.clock.now()
    meant = Wanted(row["division_code"], row["from_policy_id"], row["from_version"], row["to_policy_id"], row["to_version"])
    after = (row["after_division"], row["after_case_id"])
    found = await store.candidates(tx, meant, row["made_at"], after, limit)
    if not found:
        await store.end(tx, row["move_id"], "done", now)
        return 1
    locked = await case_store.lock(tx, (case_id for _division, case_id in found))
    routes = await desk.routes(tx, (case.division_code for case in locked.values()))
    reports = await past.of_cases(tx, list(locked))
    policy = _target(desk, meant)
    batch, failed = Batch(desk, now), 0
    for case in locked.values():
        if not case.open or (case.policy_id, case.policy_version) != (meant.from_policy_id, meant.from_version):
            continue  # closed or placed elsewhere a moment ago
        moment = desk.moment(routes[case.division_code], policy, now)
        outcome = _tried(case, moment, row["move_id"], row["made_by"], reports.get(case.case_id, ()))
        if outcome is None:
            failed += 1
            NOT_MOVED.inc()
        else:
            batch.add(outcome)
    moved = await batch.commit(tx)
    await store.progress(tx, row["move_id"], moved=moved, failed=failed, after=found[-1])
    return len(found)


async def stop(desk: Desk, database: Database, move_id: UUID) -> None:
    """Gives up a move whose batch cannot be written, so that it does not stand in the way of others; what it has moved stays."""
    async with database.transaction() as tx:
        await store.end(tx, move_id, "stopped", desk.clock.now())


async def one(tx: Tx, principal: Principal | None, move_id: UUID) -> asyncpg.Record:
    """How far a move has come."""
    row = await store.one(tx, move_id)
    if row is None or (principal is not None and not may(principal, "policy.read", row["division_code"])):
        raise NoSuchMove
    return row


async def latest(tx: Tx, principal: Principal, limit: int) -> Sequence[asyncpg.Record]:
    """The last moves, within the reader's divisions and around them."""
    require(principal, "policy.read")
    return await store.latest(tx, principal.division_code, limit)


def _target(desk: Desk, meant: Wanted) -> Policy:
    found = desk.book.named(f"{meant.to_policy_id}@{meant.to_version}")
    if found is None:
        raise NotFound("unknown_policy", _("There is no such policy. Known are: %(known)s.", known=meant.to_policy_id))
    return found


def _tried(case: CaseState, moment: Moment, move_id: UUID, by: UUID | None, reports: Sequence[ReportReceived]) -> Outcome | None:
    """The case as moved; None where the policy cannot be applied to it, for instance because its windows lie beyond the calendar."""
    try:
        return move(case, moment, move_id=move_id, by=by, reports=reports)
    except (ValueError, LookupError, OverflowError) as error:
        log.exception("router.case_not_moved", case_id=str(case.case_id), error=type(error).__name__)
        return None
