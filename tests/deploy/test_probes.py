"""What the probes of Kubernetes are told while the bus is away."""

from pathlib import Path

import httpx

from libs.events.postgres import PostgresBus
from tests.deploy import rooms


class AwayBus(PostgresBus):
    """As Kafka's bus while no broker answers."""

    def missing(self) -> list[str]:
        return ["kafka"]


async def test_pods_still_get_requests_while_kafka_is_away(database_url: str, tmp_path: Path):
    async with (
        rooms.alone("intake", database_url, tmp_path, bus=AwayBus(database_url)) as assembly,
        httpx.AsyncClient(transport=httpx.ASGITransport(assembly.app), base_url="http://tocsin.test") as http,
    ):
        everything = await http.get("/readyz")
        assert (everything.status_code, everything.json()["missing"]) == (503, ["kafka"])
        assert (await http.get("/readyz?for=requests")).status_code == 200
        assert (await http.get("/readyz?for=nothing")).status_code == 422
