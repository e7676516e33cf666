"""Events: the catalogue, the envelope, the log, and its consumers.

A room publishes in its own transaction (`publish`), and hears through a `Subscription` whose handler gets a batch of events, in
order, inside one transaction together with inbox rows and cursor.
"""

from libs.events.bus import Bus, BusAway, BusMisconfigured, Consumer, Drained, Handler, Subscription, each
from libs.events.envelope import Event, EventData, UnknownEventError, new_event, new_id
from libs.events.outbox import SHARDS, publish, shard_of

__all__ = [
    "SHARDS",
    "Bus",
    "BusAway",
    "BusMisconfigured",
    "Consumer",
    "Drained",
    "Event",
    "EventData",
    "Handler",
    "Subscription",
    "UnknownEventError",
    "each",
    "new_event",
    "new_id",
    "publish",
    "shard_of",
]
