"""Handing a case over: the asked side accepts, refuses or stays silent; somebody always has the case, and no clock restarts."""

from dataclasses import replace

import pytest

from libs.directory.model import Division, Route
from libs.errors import Conflict, Forbidden, Invalid
from libs.events.catalogue import (
    CaseHandedToAndFro,
    CaseTransferred,
    CaseTransferRequested,
    CaseTransferReturned,
    NotificationFailed,
    NotificationRequested,
)
from libs.terms import Purpose, Tier, TransferReason
from services.router.rules import acts, handover_acts
from services.router.rules.case import Status
from services.router.rules.conflicts import Conflict as Interest
from services.router.rules.machine import unreachable
from services.router.store import columns
from tests.unit.router.test_properties import check
from tests.unit.router.town import DISTRICT, DIVISIONS, FUTIAN, GRADE_I, GRADE_II, STREET, Story, person, post, report, town

NEXT_DOOR, OTHER_STREET, OTHER_PLACE = "440304001021", "440304002", "440304002001"
FAR = "440305001001"
WHY = TransferReason.CHILD_IS_THERE


def away(code: str, *, district: bool = True, empty: bool = False) -> Route:
    """Another community with its own people; in the same district, or in the next one."""
    street, same = code[:9], code[:9] == STREET
    home = town()
    upper = [one for one in home.posts if code.startswith(one.division_code) and (district or one.division_code == STREET)]
    own = [] if empty else [post("community_officer", code, Tier.COMMUNITY, "Nan")]
    own = [replace(one, post_id=person(f"post {code}")) for one in own]
    if not same and not empty:
        own.append(replace(post("street_officer", street, Tier.STREET, "Qiu"), post_id=person(f"post {street}")))
    if not code.startswith(DISTRICT):
        own += [replace(post("district_office", code[:6], Tier.DISTRICT, "Pan"), post_id=person("post far office"))]
    place = Division(code, code, "community", street)
    ancestors = (
        place,
        Division(street, street, "street", code[:6]),
        *(one for one in DIVISIONS if code.startswith(one.code) and one.code != street),
    )
    return Route(place, ancestors, (*own, *upper), 1)


class Moving(Story):
    """A story that knows the place that was asked."""

    def ask(self, route: Route, *, policy=FUTIAN) -> "Moving":
        self.moment = replace(self.moment, there=route)
        there = replace(self.moment, route=route, policy=policy, there=None)
        self.take(handover_acts.transfer(self.case, route.division.code, WHY, self.moment, there))
        return self

    def accept(self, name: str) -> "Moving":
        assert self.moment.there is not None
        self.take(handover_acts.accept(self.case, person(name), replace(self.moment, route=self.moment.there, there=None), "workbench"))
        return self

    def refuse(self, name: str) -> "Moving":
        self.take(handover_acts.refuse(self.case, person(name), self.moment))
        return self

    def told_of(self, purpose: Purpose) -> list[tuple[float, object]]:
        return [
            (minute, one.officer_id) for minute, one in self.events if isinstance(one, NotificationRequested) and one.purpose is purpose
        ]


def owned(grade=GRADE_II, minute: float = 5) -> Moving:
    story = Moving(report(grade)).until(minute)
    story.take(acts.acknowledge(story.case, person("Lan"), story.moment, "workbench"))
    return story


def test_until_the_other_side_accepts_the_owner_keeps_the_case() -> None:
    story = owned().ask(away(OTHER_PLACE))
    assert story.case.owner_officer_id == person("Lan")
    assert story.told_of(Purpose.TRANSFER) == [(5, person("Nan"))]
    (asked,) = story.of(CaseTransferRequested)
    assert (asked.accept_by - story.moment.now).total_seconds() == 30 * 60  # the community's window of grade II
    assert story.case.knows(person("Nan"))
    assert story.case.assignment_of(person("Nan")) is None
    with pytest.raises(Forbidden):
        acts.acknowledge(story.case, person("Nan"), story.moment, "api")
    check(story.case)


def test_who_accepts_owns_the_case_there_and_the_clocks_run_on() -> None:
    story = owned().ask(away(OTHER_PLACE)).until(12)
    before = {one.step: (one.started_at, one.due_at) for one in story.case.deadlines if one.armed}
    story.accept("Nan")
    case = story.case
    assert (case.division_code, case.owner_officer_id, case.status) == (OTHER_PLACE, person("Nan"), Status.ACKNOWLEDGED)
    assert {one.step: (one.started_at, one.due_at) for one in case.deadlines if one.armed} == before
    assert (case.handover.transfers, case.handover.refusals, case.handover.pending) == (1, 0, None)
    assert [event.from_division_code for event in story.of(CaseTransferred)] == [report().division_code]
    assert (12, person("Lan")) in story.told_of(Purpose.RECALL)
    check(case)


def test_a_refusal_goes_to_whoever_answers_for_both_places() -> None:
    story = owned().ask(away(OTHER_PLACE)).until(10).refuse("Nan")
    assert story.climbs == ["10 community>district transfer_refused"]  # the street does not answer for the other one
    assert story.case.owner_officer_id == person("Dong")
    assert story.told_of(Purpose.RETURNED) == [(10, person("Lan"))]
    assert story.case.division_code == report().division_code
    neighbours = owned().ask(away(NEXT_DOOR)).until(10).refuse("Nan")
    assert neighbours.climbs == ["10 community>street transfer_refused"]


def test_silence_is_an_answer_too() -> None:
    story = owned().ask(away(NEXT_DOOR)).until(34)
    assert story.climbs == []
    story.until(35)
    assert story.climbs == ["35 community>street transfer_lapsed"]
    assert [event.reason for event in story.of(CaseTransferReturned)] == ["silence"]
    assert (story.case.handover.refusals, story.case.handover.returns) == (0, 1)
    check(story.case)


def test_where_nobody_answers_for_both_the_supervisors_of_both_places_are_told() -> None:
    story = owned().ask(away(FAR)).until(9).refuse("Nan")
    assert story.climbs == []
    assert story.case.owner_officer_id == person("Lan")
    assert story.case.status is Status.ACKNOWLEDGED
    assert {person("Ou"), person("Jian"), person("Pan")} <= {who for _, who in story.told_of(Purpose.SUPERVISE)}
    check(story.case)


def test_from_the_bound_on_the_supervising_posts_are_told_of_the_to_and_fro() -> None:
    story = owned().ask(away(FAR))
    assert story.of(CaseHandedToAndFro) == []
    story.until(9).refuse("Nan")
    assert [event.moves for event in story.of(CaseHandedToAndFro)] == [2]
    story.until(15).ask(away(FAR))
    assert [event.moves for event in story.of(CaseHandedToAndFro)] == [2, 3]
    assert {who for _, who in story.told_of(Purpose.TO_AND_FRO)} == {person("Ou"), person("Jian")}


def test_what_is_not_possible_says_why() -> None:
    story = owned()
    for route, error in (
        (away(report().division_code), "there already"),
        (away("440304003001", empty=True, district=False), "can be reached"),
    ):
        with pytest.raises((Invalid, Conflict), match=error):
            story.ask(route)
    story.ask(away(OTHER_PLACE))
    with pytest.raises(Conflict, match="asked already"):
        story.ask(away(FAR))
    assert not handover_acts.transfer(story.case, OTHER_PLACE, WHY, story.moment, replace(story.moment, route=away(OTHER_PLACE))).changed
    with pytest.raises(Forbidden, match="asked can accept"):
        story.accept("Lan")
    with pytest.raises(Conflict, match="No transfer"):
        handover_acts.refuse(owned().case, person("Nan"), story.moment)


def test_a_message_that_does_not_arrive_brings_the_case_back_at_once() -> None:
    story = owned().ask(away(NEXT_DOOR)).until(6)
    failed = NotificationFailed(
        notification_id=story.ids.new(),
        case_id=story.case.case_id,
        grade=story.case.grade,
        division_code=story.case.division_code,
        tier=Tier.COMMUNITY,
        post_id=person(f"post {NEXT_DOOR}"),
        officer_id=person("Nan"),
        purpose=Purpose.TRANSFER,
        reason="30003",
    )
    story.take(unreachable(story.case, failed, story.moment))
    assert story.climbs == ["6 community>street transfer_lapsed"]
    assert [event.reason for event in story.of(CaseTransferReturned)] == ["unreachable"]


def test_a_case_that_climbs_meanwhile_may_still_be_accepted() -> None:
    story = Moving(report(GRADE_I)).until(5)
    story.ask(away(OTHER_PLACE)).until(12)
    assert story.case.owner_officer_id == person("Mei")
    story.accept("Nan")
    assert story.case.owner_officer_id == person("Nan")
    assert {who for minute, who in story.told_of(Purpose.ASSIGN) if minute == 12} == {person("Qiu")}  # grade I: every rung there is told
    check(story.case)


def test_closing_or_placing_ends_the_waiting() -> None:
    story = owned().ask(away(OTHER_PLACE))
    story.take(acts.place(story.case, NEXT_DOOR, replace(story.moment, route=away(NEXT_DOOR))))
    assert story.case.handover.pending is None
    assert [event.reason for event in story.of(CaseTransferReturned)] == ["withdrawn"]


def test_nobody_with_a_conflict_of_interest_is_asked() -> None:
    story = owned()
    story.case.conflicts = (Interest(reason="suspect_unit", division_code=OTHER_PLACE),)  # type: ignore[arg-type]
    story.ask(away(OTHER_PLACE))
    assert story.told_of(Purpose.TRANSFER) == [(5, person("Qiu"))]


def test_what_is_waited_for_comes_back_from_its_column_as_it_was() -> None:
    import orjson

    story = owned().ask(away(OTHER_PLACE))
    assert columns.handover(orjson.loads(orjson.dumps(columns.of_handover(story.case.handover)))) == story.case.handover
