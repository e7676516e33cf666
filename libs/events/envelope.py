"""What an event is: a CloudEvents 1.0 envelope around typed data that carries no personal data (promise 7)."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar, Generic, TypeVar
from uuid import UUID

import orjson
import uuid_utils.compat
from pydantic import BaseModel, ConfigDict

from libs import trace


class EventData(BaseModel):
    """Base of the catalogue: ids, codes, times and division codes only. Unknown fields are kept out, so that nothing slips in."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    event_type: ClassVar[str]
    emitter: ClassVar[str]


DataT = TypeVar("DataT", bound=EventData)
DataT_co = TypeVar("DataT_co", bound=EventData, covariant=True)

CATALOGUE: dict[str, type[EventData]] = {}
"""Every event type by its full name, `tocsin.<noun>.<verb>.v1`."""


def event(emitter: str, name: str, *, version: int = 1) -> Callable[[type[DataT]], type[DataT]]:
    """Registers a class as event `tocsin.<name>.v<version>` of service `emitter`; `name` is noun.past-tense-verb."""

    def register(cls: type[DataT]) -> type[DataT]:
        cls.event_type = f"tocsin.{name}.v{version}"
        cls.emitter = emitter
        if cls.event_type in CATALOGUE:
            msg = f"event {cls.event_type} is defined twice"
            raise ValueError(msg)
        CATALOGUE[cls.event_type] = cls
        return cls

    return register


def new_id() -> UUID:
    """A UUIDv7: ordered by time of making."""
    return uuid_utils.compat.uuid7()


@dataclass(frozen=True, slots=True)
class Event(Generic[DataT_co]):
    """One event. `key` (the case's id, or the report's before there is a case) orders it: events of one key are handled in order."""

    id: UUID
    key: UUID
    time: datetime
    data: DataT_co
    correlation_id: UUID
    causation_id: UUID | None = None
    traceparent: str = ""

    @property
    def type(self) -> str:
        return self.data.event_type

    def to_json(self) -> bytes:
        """The CloudEvents 1.0 structured-mode JSON document."""
        head: dict[str, object] = {
            "specversion": "1.0",
            "id": self.id,
            "source": f"/tocsin/{self.data.emitter}",
            "type": self.type,
            "subject": self.key,
            "time": self.time,
            "datacontenttype": "application/json",
            "partitionkey": self.key,
            "correlationid": self.correlation_id,
        }
        if self.causation_id:
            head["causationid"] = self.causation_id
        if self.traceparent:
            head["traceparent"] = self.traceparent
        # Pydantic writes the data itself: going through Python objects would cost twice as much, ten thousand times a second.
        return b'%b,"data":%b}' % (orjson.dumps(head, default=str)[:-1], self.data.__pydantic_serializer__.to_json(self.data))

    @staticmethod
    def from_json(document: bytes | str) -> "Event[Any]":
        """Reads an envelope back; `UnknownEventError` when this version does not know the type, ValueError when it cannot be read."""
        raw = orjson.loads(document)
        cls = CATALOGUE.get(raw["type"])
        if cls is None:
            raise UnknownEventError(raw["type"])
        return Event(
            id=UUID(raw["id"]),
            key=_known_uuid(raw["partitionkey"]),
            time=datetime.fromisoformat(raw["time"]).astimezone(UTC),
            data=cls.model_validate(raw["data"]),
            correlation_id=_known_uuid(raw["correlationid"]),
            causation_id=_known_uuid(raw["causationid"]) if raw.get("causationid") else None,
            traceparent=raw.get("traceparent", ""),
        )


@functools.lru_cache(maxsize=8192)
def _known_uuid(text: str) -> UUID:
    """An id that several events of a case share: reading it takes longer than all else of an envelope."""
    return UUID(text)


class UnknownEventError(ValueError):
    """An event of a type that this version does not know: it is parked for the version that does, never dropped."""


def new_event(data: DataT, *, key: UUID, time: datetime, cause: Event[Any] | None = None) -> Event[DataT]:
    """A new event about `key` at `time`; `cause` is the event whose handling made it, if any."""
    return Event(
        id=new_id(),
        key=key,
        time=time,
        data=data,
        correlation_id=cause.correlation_id if cause else key,
        causation_id=cause.id if cause else None,
        traceparent=(cause.traceparent if cause else "") or trace.current.get(),
    )
