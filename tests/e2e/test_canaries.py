"""Promise 7: what is personal stands in sealed columns and nowhere else — not in events, logs, metrics, SMS, or any table in the clear."""

import io
import logging
from typing import Any

from tests.support.world import World

CANARY = "金丝雀"


def planted() -> dict[str, Any]:
    """A report with a canary in every personal field; each has a number of its own, so that a leak names itself."""
    return {
        "channel": "school_api",
        "situations": ["MR4_ABUSE_INJURY"],
        "narrative": f"{CANARY}01",
        "source_ref": f"{CANARY}02",
        "reporter": {
            "category": "teacher",
            "organisation": f"{CANARY}03",
            "name": f"{CANARY}04",
            "phone": "+860019876543",
            "relationship": f"{CANARY}05",
            "confidentiality": "named",
            "callback_ok": True,
            "safe_contact_time": f"{CANARY}06",
        },
        "children": [
            {
                "name": f"{CANARY}07",
                "alias": f"{CANARY}08",
                "sex": "female",
                "phone": "+860019876544",
                "school": f"{CANARY}09",
                "school_grade": f"{CANARY}10",
                "disability": f"{CANARY}11",
                "current_location": {"division_code": "440304001020", "address": f"{CANARY}12"},
                "home_location": {"division_code": "440304001023", "address": f"{CANARY}13"},
            }
        ],
        "caregivers": [{"relation": "parent", "name": f"{CANARY}14"}],
        "alleged_persons": [{"relation": "stranger", "name": f"{CANARY}15", "organisation": f"{CANARY}16"}],
        "danger": {"danger_now": "yes"},
    }


async def test_canaries_stay_in_their_cage(world: World) -> None:
    lines = io.StringIO()
    listener = logging.StreamHandler(lines)
    logging.getLogger().addHandler(listener)
    try:
        body = planted()
        sent = await world.http.post("/v1/reports", json=body, headers={**world.bearer, "Idempotency-Key": "canary"})
        assert sent.status_code == 202, sent.text
        broken = await world.http.post(
            "/v1/reports", json={**body, "channel": f"{CANARY}17", "caregivers": 3}, headers={**world.bearer, "Idempotency-Key": "canary-2"}
        )
        assert broken.status_code == 422
        await world.settle()
        content = await world.get(f"/v1/reports/{sent.json()['report_id']}/content")
        assert f"{CANARY}07" in str(content)  # who may read it, can
        await world.advance(minutes=200)
    finally:
        logging.getLogger().removeHandler(listener)
    secrets = [CANARY, "19876543", "19876544", sent.json()["receipt"], sent.json()["receipt"].replace("-", "")]
    metrics = (await world.http.get("/metrics")).text
    assert "tocsin_" in metrics
    messages = str(await world.phones())
    assert "升级" in messages or "escalat" in messages.lower()
    for secret in secrets:
        assert secret not in lines.getvalue(), "a log line"
        assert secret not in metrics, "a metric"
        assert secret not in messages, "an SMS"
    found = [place async for place in _places_with(world, secrets)]
    assert found == []


async def _places_with(world: World, secrets: list[str]) -> Any:
    """Every column of every table of every schema, searched as text and as bytes."""
    columns = await world.fetch(
        """
        SELECT table_schema, table_name, column_name FROM information_schema.columns JOIN information_schema.tables
        USING (table_schema, table_name) WHERE table_type = 'BASE TABLE'
        AND table_schema IN ('bus', 'intake', 'router', 'notifier', 'audit', 'directory')
        """
    )
    assert len(columns) > 80
    for column in columns:
        name = f'"{column["column_name"]}"'
        table = f'"{column["table_schema"]}"."{column["table_name"]}"'
        for row in await world.fetch(f"SELECT {name} AS value FROM {table}"):
            value = row["value"]
            text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
            for secret in secrets:
                if secret in text:
                    yield f"{table}.{name} holds {secret}"
