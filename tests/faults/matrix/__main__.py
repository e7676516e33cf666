"""`python -m tests.faults.matrix`: every provider, every fault, every moment."""

import asyncio
import shutil
import sys
import tempfile
from pathlib import Path

import libs.log
from libs.db.embedded import EmbeddedPostgres, ensure_database
from libs.db.migrations import migrate
from tests.faults.matrix.cells import Outcome, open_matrix
from tests.faults.matrix.fake import fakes
from tests.faults.matrix.nursery import Nursery
from tests.faults.matrix.plan import FAULTS, PROVIDERS
from tests.faults.matrix.table import lines


async def play_all(database_url: str, folder: Path, nursery: Nursery, outcomes: list[Outcome]) -> None:
    await migrate(database_url)
    async with fakes(folder) as made:
        matrix = await open_matrix(database_url, folder, made, nursery)
        try:
            for provider in PROVIDERS:
                for fault in (one for one in FAULTS if one.name not in provider.without):
                    outcomes += await matrix.moments(provider, fault)
                    wrong = sum(bool(one.wrong) for one in outcomes)
                    print(f"{provider.name}: {fault.name}: {len(outcomes)} cells so far, {wrong} wrong", file=sys.stderr)  # noqa: T201
        finally:
            await matrix.db.close()


def main() -> int:
    libs.log.configure("CRITICAL")  # the providers say of every kill that somebody has hung up
    folder = Path(tempfile.mkdtemp(prefix="tocsin-matrix-"))
    server = EmbeddedPostgres(folder / "postgres", throwaway=True)
    outcomes: list[Outcome] = []
    try:
        with Nursery(folder / "log.txt") as nursery:
            database_url = asyncio.run(ensure_database(server.start(), "matrix"))
            asyncio.run(play_all(database_url, folder, nursery, outcomes))
    finally:
        server.stop()
        if outcomes:  # also when somebody has had enough
            print("\n".join(lines(outcomes)), flush=True)  # noqa: T201 - what it is called for
    if any(one.wrong for one in outcomes):
        print(f"the log of the notifiers: {folder / 'log.txt'}")  # noqa: T201
        return 1
    shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
