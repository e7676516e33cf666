"""`tocsin demo day`: the embedded mode on a clock that starts a day ago and catches up, with a day's traffic at the same speed."""

import asyncio
import shutil
from datetime import timedelta
from zoneinfo import ZoneInfo

from deploy.claim import claimed
from deploy.demo.client import Client
from deploy.demo.directory import DemoAccess
from deploy.demo.traffic import Play, Show
from deploy.embedded import SERVICES, Embedding, Say, run
from libs.clock import CatchUpClock, SystemClock
from libs.i18n import gettext as _
from libs.settings import CommonSettings

ZONE = ZoneInfo("Asia/Shanghai")


async def play_day(settings: CommonSettings, say: Say, *, reports: int, speed: float, seed: int, length: timedelta) -> None:
    """Plays the day into an empty database of its own, then stays up for looking around until a signal comes."""
    if settings.database_url is None and settings.var_dir.exists():
        with claimed(settings.var_dir, SERVICES):  # not while another day is being played there
            pass
        say(_("Clearing away the day that was played before …"))
        await asyncio.to_thread(shutil.rmtree, settings.var_dir)
    clock = CatchUpClock(SystemClock().now() - length, speed)

    async def traffic(access: DemoAccess) -> None:
        show = Show(clock.now().astimezone(ZONE), length, reports, speed, seed)
        async with Client(settings.public_base_url, access.api_key) as client:
            playing = Play(client, show, SystemClock(), say)
            try:
                await playing.run()
                for line in await playing.verdict():
                    say(line)
                say(_("The day is over; the system stays up. Look at the board and the response times; Ctrl-C ends it."))
            finally:
                say(playing.summary())

    await run(settings, Embedding(), say, clock, beside=traffic)
