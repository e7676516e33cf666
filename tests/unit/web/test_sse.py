"""Streams are bounded in every direction."""

import asyncio

import httpx
import pytest
from fastapi import FastAPI

from libs.web import sse


async def stream(response, *, leave_after=None):
    """What a reader gets who goes away after `leave_after` chunks, or stays to the end."""
    chunks: list[bytes] = []
    gone = asyncio.Event()

    async def receive():
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message):
        if message["type"] == "http.response.body":
            chunks.append(message["body"])
            if leave_after is not None and len(chunks) >= leave_after:
                gone.set()

    async with asyncio.timeout(5):
        await response({"type": "http"}, receive, send)
    return chunks


async def numbers(n):
    for number in range(n):
        yield sse.Message({"n": number}, event="tick", id=str(number))


async def test_a_stream_sends_its_messages_and_ends_with_its_source():
    chunks = await stream(sse.EventStream(numbers(2)))
    assert chunks == [b"retry: 2000\n\n", b'id: 0\nevent: tick\ndata: {"n":0}\n\n', b'id: 1\nevent: tick\ndata: {"n":1}\n\n', b""]


async def test_a_stream_can_be_read_over_asgi_when_it_is_bounded():
    app = FastAPI()

    @app.get("/stream")
    async def _() -> sse.EventStream:
        return sse.EventStream(numbers(10), messages_max=3)

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://t") as http:
        answer = await http.get("/stream")
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert "content-length" not in answer.headers
    assert answer.text.count("data:") == 3


async def test_a_quiet_stream_shows_that_it_lives_and_stops_when_its_reader_goes():
    hub = sse.Hub()
    chunks = await stream(sse.EventStream(hub.listen(), heartbeat_s=0.001), leave_after=3)
    assert chunks[1:3] == [b": still here\n\n"] * 2
    assert hub._listeners == set()
    assert sse._open == 0


async def test_a_stream_ends_when_its_time_is_up():
    chunks = await stream(sse.EventStream(sse.Hub().listen(), lifetime_s=0.01))
    assert chunks[-1] == b""


async def test_a_hub_tells_everybody_and_closes_their_streams():
    hub = sse.Hub()
    readers = [asyncio.create_task(stream(sse.EventStream(hub.listen()))) for _ in range(2)]
    for _ in range(10):
        await asyncio.sleep(0)
    assert len(hub._listeners) == 2
    hub.publish(sse.Message("news"))
    hub.close()
    for chunks in await asyncio.gather(*readers):
        assert b'data: "news"\n\n' in chunks
    assert [message async for message in hub.listen()] == []


async def test_a_reader_that_is_too_slow_is_told_to_start_over():
    hub = sse.Hub()
    listening = hub.listen()
    first = asyncio.ensure_future(anext(listening))
    await asyncio.sleep(0)
    for number in range(sse.WAITING_MAX + 5):
        hub.publish(sse.Message(number))
    assert (await first).event == "reset"
    assert (await anext(listening)).data == sse.WAITING_MAX
    await listening.aclose()


async def test_there_is_an_end_to_the_number_of_streams(monkeypatch):
    monkeypatch.setattr(sse, "_open", sse.STREAMS_MAX)
    with pytest.raises(Exception, match="Too many pages"):
        sse.EventStream(numbers(1))


async def test_an_error_in_the_source_reaches_the_door():
    async def broken():
        yield sse.Message(1)
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await stream(sse.EventStream(broken()))
