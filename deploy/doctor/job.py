"""The doctor's round every minute: gauges for every promise, and an error in the log for a broken one."""

from datetime import timedelta
from typing import Any

import asyncpg
from prometheus_client import Gauge

from deploy.doctor.examination import Finding, examine
from libs.clock import CatchUpClock
from libs.db import prepare_connection
from libs.i18n import use_locale
from libs.log import get_logger
from libs.service import Context, Job, Tick

EVERY_S = 60.0
CONNECT_TIMEOUT_S = 10.0
SETTLE_S = 30.0
"""Where everything has just been started, what waited for that is no broken promise yet."""

OK = Gauge("tocsin_promise_ok", "1 while the promise is kept, 0 when it is broken or could not be checked.", ["promise"])
VIOLATIONS = Gauge("tocsin_promise_violations", "How many things break the promise; -1 when it could not be checked.", ["promise"])
EXAMINED = Gauge("tocsin_doctor_last_round_timestamp_seconds", "When the doctor last finished a round.")

log = get_logger("doctor")


def doctor_job(context: Context, *, settle_s: float = SETTLE_S) -> Job:
    """Examines the promises every minute with the login role, on a connection of its own; first when the process has settled."""
    not_before = context.clock.now() + timedelta(seconds=settle_s)
    pace = context.clock.speed if isinstance(context.clock, CatchUpClock) else 1.0

    async def round_() -> Tick:
        if context.clock.now() < not_before:
            return Tick(next_at=not_before)
        connection: asyncpg.Connection[Any] = await asyncpg.connect(
            context.database_url,
            timeout=CONNECT_TIMEOUT_S,
            command_timeout=EVERY_S,
            server_settings={"application_name": "tocsin-doctor", "timezone": "UTC", "jit": "off"},
        )
        try:
            await prepare_connection(connection)
            now = context.clock.now()
            with use_locale("en"):
                findings = await examine(connection, now, pace=pace)  # type: ignore[arg-type] # no pool, and none needed
        finally:
            await connection.close(timeout=CONNECT_TIMEOUT_S)
        for finding in findings:
            tell(finding)
        EXAMINED.set(now.timestamp())
        return Tick(next_at=now + timedelta(seconds=EVERY_S * pace))

    return Job("doctor", round_, idle_s=EVERY_S * pace)


def tell(finding: Finding) -> None:
    """Sets the gauges; a broken promise is also an error in the log."""
    OK.labels(str(finding.promise)).set(finding.ok)
    VIOLATIONS.labels(str(finding.promise)).set(finding.figure)
    if not finding.ok:
        log.error("doctor.promise_broken", promise=finding.promise, title=finding.name, figure=finding.figure, detail=list(finding.detail))
