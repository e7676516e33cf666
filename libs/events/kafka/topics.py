"""Topics as declared: made where they are missing, checked where they are there. A mismatch is named, never papered over.

Nothing asks Kafka for a topic before it is known to be there: many brokers make one that is asked for, with settings of their own.
"""

import asyncio
from dataclasses import dataclass

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from libs.events.kafka.settings import KafkaSettings, Topic

ADMIN_S = 15.0
MISSING = "topic"
"""What is wrong with a topic that is not there."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Something about a topic that is not as declared."""

    topic: str
    what: str
    declared: str
    found: str


async def ensure(settings: KafkaSettings, *, create: bool = True) -> list[Difference]:
    """Creates what is missing (with `create`) and answers every difference that is left. `KafkaError` or `OSError` without a cluster."""
    async with asyncio.timeout(ADMIN_S):
        admin = AIOKafkaAdminClient(**settings.client(timeout_s=5))
        try:
            await admin.start()
            there = set(await admin.list_topics())
            differences: list[Difference] = []
            for topic in settings.topics:
                if topic.name in there:
                    differences += await _compare(admin, topic)
                elif create:
                    await _create(admin, topic)
                else:
                    differences.append(Difference(topic.name, MISSING, "there", "missing"))
            return differences
        finally:
            await admin.close()


async def _compare(admin: AIOKafkaAdminClient, topic: Topic) -> list[Difference]:
    (found,) = await admin.describe_topics([topic.name])
    if found["error_code"] and found["error_code"] != 5:  # a leader may be missing for a while
        raise for_code(found["error_code"])(topic.name)
    differences: list[Difference] = []
    partitions = found["partitions"]
    if len(partitions) != topic.partitions:
        differences.append(Difference(topic.name, "partitions", str(topic.partitions), str(len(partitions))))
    replication = min((len(one["replicas"]) for one in partitions), default=0)
    if replication != topic.replication:
        differences.append(Difference(topic.name, "replication", str(topic.replication), str(replication)))
    there = await _config(admin, topic.name)
    for name, declared in topic.config.items():
        if there.get(name) != declared:
            differences.append(Difference(topic.name, name, declared, str(there.get(name))))
    return differences


async def _create(admin: AIOKafkaAdminClient, topic: Topic) -> None:
    new = NewTopic(topic.name, topic.partitions, topic.replication, topic_configs=topic.config)
    answer = await admin.create_topics([new])
    for name, code, *message in answer.topic_errors:
        if code and for_code(code) is not TopicAlreadyExistsError:  # another process may have been quicker: it has declared the same
            raise for_code(code)(f"{name}: {message[0] if message else ''}")


async def _config(admin: AIOKafkaAdminClient, name: str) -> dict[str, str]:
    (answer,) = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name)])
    (resource,) = answer.resources
    if resource[0]:
        raise for_code(resource[0])(name)
    return {entry[0]: entry[1] for entry in resource[4]}


UNREACHABLE = (KafkaError, OSError, TimeoutError)
"""What it looks like when there is no cluster to ask."""
