"""Connections that break while they are used: whoever used them learns what came of their work, and the next one gets a whole one."""

import asyncio
import contextlib

import asyncpg
import pytest

from libs.db import TRANSIENT, Database

ROUNDS = 30


@pytest.fixture
async def two(database_url):
    """A pool of one connection, and somebody who can break it."""
    database, other = await Database.open(database_url, role=None, size_max=1), await asyncpg.connect(database_url)
    await other.execute("CREATE TABLE public.work (n integer)")
    yield database, other
    await database.close()
    await other.close()


async def test_work_whose_connection_breaks_fails_as_something_that_may_be_tried_again(two):
    database, other = two
    for n in range(ROUNDS):

        async def work(n=n):
            async with database.transaction() as tx:
                await tx.execute("INSERT INTO public.work VALUES ($1)", n)
                await broken(other, tx)
                await tx.execute("SELECT 1")

        with pytest.raises(TRANSIENT):  # asyncpg has several names for it, an internal error among them
            await work()
    async with database.connection() as connection:
        assert await connection.fetchval("SELECT count(*) FROM public.work") == 0


async def test_work_that_is_done_stays_done_when_its_connection_breaks_on_the_way_back(two):
    database, other = two
    for n in range(ROUNDS):
        await whole_again(database)
        async with database.connection() as connection:
            pid = await connection.fetchval("SELECT pg_backend_pid()")
            await connection.execute("INSERT INTO public.work VALUES ($1)", n)
            breaking = asyncio.create_task(other.fetchval("SELECT pg_terminate_backend($1, 5000)", pid))
            for _ in range(n):  # each time a little nearer to the moment when it is given back
                await asyncio.sleep(0)
        await breaking
    await whole_again(database)
    async with database.transaction() as tx:
        assert await tx.fetchval("SELECT count(*) FROM public.work") == ROUNDS


async def test_another_error_of_the_work_is_not_hidden_by_the_broken_connection(two):
    database, other = two

    async def work():
        async with database.transaction() as tx:
            await broken(other, tx)
            return 1 / 0

    with pytest.raises(ZeroDivisionError):
        await work()


async def whole_again(database):
    """A session's last words may be heard before its end: until then it is still in the pool, and fails as transient."""
    for _ in range(ROUNDS):
        with contextlib.suppress(*TRANSIENT):
            async with database.connection() as connection:
                await connection.execute("SELECT 1")
                return
        await asyncio.sleep(0)
    raise AssertionError("the pool does not get well")


async def broken(other, tx):
    """Returns once the server has ended `tx`'s session."""
    await other.fetchval("SELECT pg_terminate_backend($1, 5000)", await tx.fetchval("SELECT pg_backend_pid()"))
