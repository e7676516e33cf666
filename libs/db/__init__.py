"""PostgreSQL through asyncpg: one pool per service and role, transactions that finish what they began.

Queries stand in each room's `store.py`; the door (route, consumer, job) opens the transaction.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeAlias, TypeVar

import asyncpg
import orjson
from asyncpg.pool import PoolConnectionProxy

from libs.db import pools, sockets

Tx: TypeAlias = "PoolConnectionProxy[asyncpg.Record]"
"""A connection inside a transaction (or, from `Database.connection`, outside of one)."""

ACQUIRE_TIMEOUT_S = 10.0
CONNECT_TIMEOUT_S = 5.0
"""Short: a packet that got lost while a link was down is asked for again after ever longer pauses, a new attempt begins at once."""
COMMAND_TIMEOUT_S = 30.0

TRANSIENT = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # asyncpg lost count of its own connections while one broke
    asyncpg.InsufficientResourcesError,  # too many connections, out of memory, a full disk
    asyncpg.PostgresSystemError,
    asyncpg.ReadOnlySQLTransactionError,  # connected to what has become a replica
    asyncpg.OperatorInterventionError,
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    asyncpg.LockNotAvailableError,  # whoever holds the lock is stopped or slow: its transaction is ended for it
    asyncpg.IdleInTransactionSessionTimeoutError,
)
"""Failures that say nothing about the work itself: the same work may succeed when it is tried again."""

# A prepared statement keeps its plan: one that was made while a table was empty goes on reading all of it when it has grown.
_BY_KEY = {"enable_seqscan": "off", "enable_hashjoin": "off", "enable_mergejoin": "off"}

T = TypeVar("T")

_announcing: set[int] = set()
_after_commit: dict[int, list[Callable[[], None]]] = {}


def announce_after_commit(tx: Tx) -> None:
    """Asks the transaction's database to wake the bus once this transaction has committed."""
    _announcing.add(id(tx))


def after_commit(tx: Tx, call: Callable[[], None]) -> None:
    """Asks for `call` once this transaction has committed (at most once per transaction); a rollback forgets it."""
    calls = _after_commit.setdefault(id(tx), [])
    if call not in calls:
        calls.append(call)


async def finish(work: Awaitable[T]) -> T:
    """Awaits `work` to its end even when the caller is cancelled meanwhile; the cancellation comes after it."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        if not task.done():
            await asyncio.wait([task])
        raise


class Database:
    """A pool of connections that act as one role; `announce` is called after commits that published events."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]", announce: Callable[[], None]) -> None:
        self._pool = pool
        self._announce = announce

    @classmethod
    async def open(
        cls,
        url: str,
        *,
        role: str | None,
        announce: Callable[[], None] = lambda: None,
        size_max: int = 8,
        by_key: bool = False,
    ) -> "Database":
        """Connects to `url` and works as `role` (None: as the login role itself).

        `by_key`: every query finds its rows by an index, and is planned so whatever the tables hold at the moment.
        """
        pool = await asyncpg.create_pool(
            url,
            min_size=1,
            max_size=size_max,
            command_timeout=COMMAND_TIMEOUT_S,
            timeout=CONNECT_TIMEOUT_S,
            init=prepare_connection,
            reset=_leave_as_it_is,
            server_settings={
                "application_name": role or "tocsin",
                "timezone": "UTC",
                "jit": "off",  # planning with it costs more than these short queries take
                "lock_timeout": "10s",
                "statement_timeout": "30s",
                "idle_in_transaction_session_timeout": "7s",  # a stopped process must not hold back the bus, nor locks until others give up
                **sockets.SERVER_SETTINGS,
                **({"role": role} if role else {}),
                **(_BY_KEY if by_key else {}),
            },
        )
        opened = cls(pool, announce)
        pools.watch(opened, role or "login", pool)
        return opened

    def announcing(self, announce: Callable[[], None]) -> "Database":
        """The same pool, telling `announce` of commits that published events."""
        return Database(self._pool, announce)

    async def close(self) -> None:
        """Closes all connections, waiting for those in use, at most 10 s."""
        pools.forget(self)
        try:
            async with asyncio.timeout(10):
                await self._pool.close()
        except TimeoutError:
            self._pool.terminate()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Tx]:
        """A transaction that commits at the end of the block and rolls back when the block raises."""
        tx = await self._pool.acquire(timeout=ACQUIRE_TIMEOUT_S)
        committed = False
        try:
            work = tx.transaction()
            try:
                await finish(work.start())
                yield tx
            except BaseException:
                if _open(tx):
                    try:
                        await finish(work.rollback())
                    except TRANSIENT:  # it broke: its server rolls back by itself, and nobody may get it again
                        tx.terminate()
                raise
            await finish(work.commit())
            committed = True
        finally:
            wanted = id(tx) in _announcing
            _announcing.discard(id(tx))
            calls = _after_commit.pop(id(tx), ())
            await finish(self._give_back(tx))
            if committed and wanted:
                self._announce()
            for call in calls if committed else ():
                call()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Tx]:
        """A connection without a transaction, for reads that need no common snapshot, or for one statement that commits itself."""
        connection = await self._pool.acquire(timeout=ACQUIRE_TIMEOUT_S)
        try:
            yield connection
        finally:
            wanted = id(connection) in _announcing
            _announcing.discard(id(connection))
            await finish(self._give_back(connection))
            if wanted:
                self._announce()

    async def _give_back(self, tx: Tx) -> None:
        # A connection that breaks goes back by itself; when that happens while we give it back, asyncpg complains of two owners.
        # What its work came to is known by then: that stands, whatever becomes of the connection.
        with contextlib.suppress(asyncpg.InternalClientError, asyncpg.InterfaceError, OSError):
            await self._pool.release(tx)


def _open(tx: Tx) -> bool:
    """Whether there is a transaction to roll back: a connection that broke has left its owner, and answers nothing any more."""
    try:
        return not tx.is_closed() and tx.is_in_transaction()
    except asyncpg.InterfaceError:
        return False


async def _leave_as_it_is(_connection: Any) -> None:
    """Nobody leaves anything in a session (settings are set within transactions): a RESET for each use would cost a round trip."""


async def prepare_connection(connection: Any) -> None:
    """Teaches a new connection to speak Python objects for jsonb, and to notice when it is cut."""
    sockets.watch(connection)
    await connection.set_type_codec("jsonb", encoder=_encode_json, decoder=orjson.loads, schema="pg_catalog")


def _encode_json(value: object) -> str:
    return orjson.dumps(value).decode()
