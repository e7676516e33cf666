"""Starting, stopping, and being refused: one clear line for whoever did something wrong, an orderly end for whoever asks for it."""

import asyncio
import signal
import time

import aiohttp

from tests.support.process import System, free_port, running_system

STOP_WITHIN_S = 8
"""A second or so when the machine has nothing else to do."""
STREAMS = 5


async def test_who_starts_it_wrongly_reads_one_line_and_nothing_else_happens() -> None:
    async with running_system(sandbox_beside=False) as system:
        elsewhere = {"TOCSIN_VAR_DIR": str(system.folder / "elsewhere"), "PORT": str(free_port())}
        said = await asyncio.gather(
            refused(system, PORT=str(free_port())),
            refused(system, **{**elsewhere, "PORT": str(system.port)}),
            refused(system, **elsewhere, TOCSIN_LOG_LEVEL="nonsense"),
            refused(system, **{**elsewhere, "PORT": "http"}),
            refused(system, **elsewhere, TOCSIN_DATABASE_URL="postgresql://127.0.0.1:1/nothing"),
        )
        same_folder, same_port, log_level, port, database = said
        assert same_folder.startswith("tocsin: TOCSIN_VAR_DIR: ")
        assert str(system.process.running.pid if system.process.running else 0) in same_folder
        assert same_port.startswith("tocsin: PORT: ")
        assert log_level.startswith("tocsin: TOCSIN_LOG_LEVEL: ")
        assert port.startswith("tocsin: PORT: ")
        assert database.startswith("tocsin: TOCSIN_DATABASE_URL: ")

        code, found = await system.doctor()  # it still runs, and nothing is broken
        assert (code, found["ok"]) == (0, True)
        assert system.process.alive


async def test_it_ends_soon_and_orderly_while_pages_are_watching_and_starts_again_however_it_ended() -> None:
    async with running_system(sandbox_beside=False) as system, aiohttp.ClientSession(headers=system.bearer) as http:
        assert system.postmaster is not None
        streams = [await http.get(f"{system.url}/v1/cases/stream") for _ in range(STREAMS)]
        assert {stream.status for stream in streams} == {200}
        asked_at = time.monotonic()
        assert await system.process.end(signal.SIGTERM) == 0
        assert time.monotonic() - asked_at < STOP_WITHIN_S
        assert system.postmaster is None
        for stream in streams:
            assert (await stream.read()).endswith(b"\n\n")  # ended, not broken off

        # What it left behind is good to start from; and so is what a kill leaves behind, PostgreSQL still running.
        await system.start()
        left_running = system.postmaster
        await system.kill()
        assert system.postmaster == left_running
        await system.start()
        assert system.postmaster == left_running
        assert await system.process.end(signal.SIGINT) == 0
        assert system.postmaster is None


async def refused(system: System, **environment: str) -> str:
    """What `tocsin run` says when it does not start; one line, with exit code 2."""
    code, said = await system.command("run", **environment)
    assert code == 2, said
    assert len(said.splitlines()) == 1, said
    return said
