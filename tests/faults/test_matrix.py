"""A slice of the fault matrix: real notifiers, killed with SIGKILL at a chosen commit or call (`make matrix` plays all of it)."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.faults.matrix.cells import Outcome, open_matrix
from tests.faults.matrix.fake import fakes
from tests.faults.matrix.nursery import Nursery
from tests.faults.matrix.plan import FAULTS, PROVIDERS
from tests.faults.matrix.table import lines

ATTEMPT, CALL, RESULT, CALLBACK = "commit Sender._launch", "call send", "commit _record", "commit callbacks.flush"
SLICE = (
    ("twilio", "none", ATTEMPT),
    ("twilio", "none", CALL),
    ("twilio", "none", CALLBACK),
    ("twilio", "accepted, reset, mute", CALL),
    ("twilio", "both numbers refused", RESULT),
    ("twilio", "callbacks forged", None),
    ("twilio, fallback", "throttled twice", CALL),
    ("aliyun, tencent", "accepted, then reset", CALL),
)
"""Provider, fault, and after which commit or call the process dies."""


@pytest.fixture
def nursery(tmp_path):
    with Nursery(tmp_path / "log.txt") as made:
        yield made


async def test_every_intent_comes_to_its_end_whatever_fails_and_whenever_we_die(
    database_url: str, tmp_path, nursery: Nursery, record_property: Callable[[str, object], None]
):
    provider = {one.name: one for one in PROVIDERS}
    fault = {one.name: one for one in FAULTS}
    outcomes: list[Outcome] = []
    async with fakes(tmp_path) as made:
        matrix = await open_matrix(database_url, tmp_path, made, nursery)
        try:
            for name, what, kill_at in SLICE:
                outcomes.append(await matrix.play(provider[name], fault[what], kill_at))
            misjudged = await matrix.play(provider["twilio"], replace(fault["both numbers refused"], ends="delivered"), None)
        finally:
            await matrix.db.close()
    table = "\n".join(lines(outcomes))
    record_property("table", table)
    assert not [one for one in outcomes if one.wrong], table + "\n" + nursery.errors.read_text("utf-8")[-4000:]
    assert [one.kill_at for one in outcomes] == [kill_at for _, _, kill_at in SLICE], "each was killed where it was to be"
    by_place = {(one.fault, one.kill_at): one for one in outcomes}
    assert by_place["none", ATTEMPT].marked == 1, "killed between the committed attempt and the call: sent again, as a possible duplicate"
    assert by_place["none", CALL].calls == 1, "killed after the call: found in the provider's list, not sent again"
    assert by_place["accepted, reset, mute", CALL].doubled == 1, "nobody says that it has arrived: rather twice than never"
    assert by_place["both numbers refused", RESULT].state == "failed", "the next person is told"
    assert misjudged.wrong == ("ended as failed, not as delivered",), "what is wrong is seen, and named"
