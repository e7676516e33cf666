"""Conflicts of interest become known (回避): with the report, or because somebody says so later."""

from uuid import UUID

from libs.directory.model import Post
from libs.errors import Invalid
from libs.events.catalogue import CasePostSkipped
from libs.i18n import gettext as _
from libs.terms import ConflictReason
from services.router.errors import CaseIsClosed
from services.router.rules.case import Answered, CaseState, Moment, Outcome
from services.router.rules.conflicts import Conflict, barred_people, barred_posts, without_barred
from services.router.rules.draft import Draft
from services.router.rules.handover import come_back
from services.router.rules.lane_values import LaneState
from services.router.rules.lanes import tell_next


def add_conflicts(draft: Draft, conflicts: tuple[Conflict, ...]) -> None:
    """Conflicts become known: the posts are passed over from now on, which is recorded; who was told of them is told nothing more."""
    case, route = draft.case, draft.moment.route
    new = [one for one in conflicts if not any(one.same_as(known) for known in case.conflicts)]
    if not new:
        return
    before = {post.post_id for post, _why in barred_posts(route, case.conflicts)}
    case.conflicts = (*case.conflicts, *(_with_people(one, draft.moment) for one in new))
    draft.route = without_barred(route, case.conflicts)
    for post, why in barred_posts(route, case.conflicts):
        if post.post_id not in before:
            _say_skipped(draft, post, why)


def record_skipped(draft: Draft) -> None:
    """The case has come to another place: the posts that are passed over there are recorded too."""
    for post, why in barred_posts(draft.moment.route, draft.case.conflicts):
        _say_skipped(draft, post, why)


def _say_skipped(draft: Draft, post: Post, why: Conflict) -> None:
    people = barred_people(draft.moment.route, draft.case.conflicts)
    officers = tuple(holder.officer_id for holder in post.holders if holder.officer_id in people)
    draft.say(CasePostSkipped, tier=post.tier, post_id=post.post_id, reason=why.reason, officers=officers)


def conflict(state: CaseState, found: Conflict, moment: Moment) -> Outcome:
    """Somebody says that a post has a conflict of interest. When the case rests on it, it climbs at once."""
    if not state.open:
        raise CaseIsClosed
    draft = Draft(state, moment)
    add_conflicts(draft, (found,))
    if draft.case.conflicts == state.conflicts:
        return Outcome(state, state, ())
    pass_over(draft)
    return draft.outcome()


def pass_over(draft: Draft) -> None:
    """Takes the case, its lanes and a transfer away from whoever has a conflict of interest."""
    case = draft.case
    people = barred_people(draft.moment.route, case.conflicts)
    owner_barred = case.owner_officer_id in people or any(
        post.post_id == case.owner_post_id for post, _why in barred_posts(draft.moment.route, case.conflicts)
    )
    for one in case.assignments:
        if one.officer_id in people and one.answer is not Answered.CONFLICTED:
            draft.answer(one, Answered.CONFLICTED)
    for lane in case.lanes:
        if lane.state in {LaneState.TOLD, LaneState.ACCEPTED} and lane.officer_id in people:
            tell_next(draft, lane._replace(passed=(*lane.passed, lane.officer_id)), "conflict")
    pending = case.handover.pending
    if pending is not None and pending.officer_id in people:
        come_back(draft, "conflict", climbs=not owner_barred)
    if owner_barred:
        draft.climb("conflict")


def named(post_id: UUID | None, division_code: str, role: str, reason: ConflictReason) -> Conflict:
    """A conflict by its codes; `Invalid` when it names no post."""
    if post_id is None and not division_code:
        raise Invalid("required", _("Name the post, or a division and a role."), field="post_id")
    return Conflict(reason, post_id, "" if post_id else division_code, "" if post_id else role)


def _with_people(one: Conflict, moment: Moment) -> Conflict:
    routes = (moment.route, *((moment.there,) if moment.there else ()))
    people = {holder.officer_id for route in routes for post in route.posts if one.hits(post) for holder in post.holders}
    return one._replace(officers=tuple(sorted(people)))
