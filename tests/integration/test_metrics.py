"""What an operator sees at /metrics, while the system works and while parts of it do not."""

from datetime import timedelta

from prometheus_client.parser import text_string_to_metric_families

from libs.events import figures
from libs.jobs import Tick, at_intervals
from tests.support.world import World


class Figures:
    """The figures of one moment; those of other tests in this process count along, so counters are compared."""

    def __init__(self, text: str) -> None:
        self._samples = {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    def __call__(self, name: str, **labels: str) -> float:
        return self._samples.get((name, frozenset(labels.items())), 0.0)

    def total(self, name: str, **labels: str) -> float:
        """Over all other labels."""
        return sum(value for (one, those), value in self._samples.items() if one == name and labels.items() <= dict(those).items())


async def look(world: World) -> Figures:
    await world.settle()
    world.clock.set(world.clock.now() + timedelta(seconds=31))  # they are counted at intervals
    await world.settle()
    return await as_they_are(world)


async def as_they_are(world: World) -> Figures:
    answer = await world.http.get("/metrics")
    assert answer.status_code == 200
    return Figures(answer.text)


async def test_a_report_is_seen_on_its_way(world: World) -> None:
    before = await look(world)
    report = await world.report(key="one")
    assert (await world.report(key="one"))["report_id"] == report["report_id"]
    after = await look(world)

    def more(name: str, **labels: str) -> float:
        return after.total(name, **labels) - before.total(name, **labels)

    assert more("tocsin_reports_accepted_total", channel="school_api") == 1
    assert more("tocsin_reports_repeated_total") == 1
    assert more("tocsin_http_request_seconds_count", method="POST", route="/v1/reports", status="2xx") == 2
    assert more("tocsin_events_published_total", type="tocsin.report.received.v1") == 1
    assert more("tocsin_events_published_total", type="tocsin.case.opened.v1") == 1
    told = more("tocsin_events_published_total", type="tocsin.notification.requested.v1")
    assert told == more("tocsin_notifier_calls_total", gateway="twilio", outcome="accepted") > 1
    assert more("tocsin_notifier_first_call_wait_seconds_count") == told
    assert more("tocsin_bus_delay_seconds_count", group="router") >= 1
    case = await world.case_of(report)
    assert after("tocsin_cases_open", grade=case["grade"], tier=case["tier"]) == 1
    assert after.total("tocsin_cases_open") == after("tocsin_cases_armed") == 1
    assert after("tocsin_cases_unarmed") == 0
    for group in ("router", "notifier", "audit", "intake.progress"):
        assert after.total("tocsin_bus_lag", group=group) == 0
        assert after.total("tocsin_bus_parked", group=group) == 0
    assert after("tocsin_database_connections_max", role="tocsin_router") > 0
    assert after.total("tocsin_database_connections", role="tocsin_router") > 0


async def test_what_does_not_move_is_seen(world: World) -> None:
    world.asleep |= {"notifier-send", "router-sweeper"}
    report = await world.report()
    await world.settle()
    case = await world.case_of(report)
    queued = (await look(world))("tocsin_notifier_queued")
    assert queued > 1
    world.clock.set(world.clock.now() + timedelta(hours=3))
    seen = await look(world)
    assert seen("tocsin_notifier_queued") == queued
    assert seen("tocsin_notifier_queued_oldest_seconds") >= 3 * 3600
    assert seen("tocsin_cases_due") == 1
    assert seen("tocsin_cases_due_oldest_seconds") > 60
    world.asleep.clear()
    await world.settle()
    seen = await look(world)
    assert seen("tocsin_notifier_queued") == seen("tocsin_notifier_queued_oldest_seconds") == 0
    assert seen("tocsin_cases_due") == seen("tocsin_cases_due_oldest_seconds") == 0
    assert seen("tocsin_cases_overdue", grade=case["grade"]) == 1


async def test_lag_and_parked_events_are_counted(world: World) -> None:
    await world.report()
    await world.fetch(
        "INSERT INTO bus.parked (grp, key, event_id, event_type, envelope, attempts, state, error, parked_at, next_at)"
        " SELECT 'audit', gen_random_uuid(), gen_random_uuid(), 'x', '{}', 8, 'dead', 'ValueError', $1, $1",
        world.clock.now(),
    )
    (counting,) = [job for job in world.assembly.jobs if job.name == "bus-figures"]
    world.clock.set(world.clock.now() + timedelta(seconds=figures.EVERY_S))
    await counting.run_once()
    seen = await as_they_are(world)
    assert seen.total("tocsin_bus_lag", group="router") == seen.total("tocsin_bus_lag", group="audit") == 1
    assert seen("tocsin_bus_parked", group="audit", state="dead") == 1
    await world.settle()
    rested = await look(world)  # only these groups: other tests of this process have had others
    groups = [consumer.subscription.group for consumer in world.assembly.consumers]
    lags = {group: rested.total("tocsin_bus_lag", group=group) for group in groups}
    assert len(lags) > 4
    assert set(lags.values()) == {0}


async def test_work_at_intervals_is_not_done_more_often(world: World) -> None:
    done = []

    async def work() -> None:
        done.append(world.clock.now())

    job = at_intervals("test", 10, world.clock, work)
    ticks = [await job.run_once() for _ in range(3)]
    assert len(done) == 1
    assert ticks == [Tick(next_at=world.clock.now() + timedelta(seconds=10))] * 3
    world.clock.set(world.clock.now() + timedelta(seconds=10))
    await job.run_once()
    assert len(done) == 2
