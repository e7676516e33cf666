"""Topics as declared: made where they are missing, checked where they are there. A mismatch is named, never papered over."""

import asyncio
from dataclasses import dataclass

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from libs.events.kafka.settings import KafkaSettings, Topic

ADMIN_S = 15.0


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
        await admin.start()
        try:
            return [difference for topic in settings.topics for difference in await _ensure(admin, topic, create=create)]
        finally:
            await admin.close()


async def _ensure(admin: AIOKafkaAdminClient, topic: Topic, *, create: bool) -> list[Difference]:
    (found,) = await admin.describe_topics([topic.name])
    if found["error_code"] == 3:  # unknown topic
        if not create:
            return [Difference(topic.name, "topic", "there", "missing")]
        await _create(admin, topic)
        return []
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
        if code and for_code(code) is not TopicAlreadyExistsError:  # another process may have been quicker
            raise for_code(code)(f"{name}: {message[0] if message else ''}")


async def _config(admin: AIOKafkaAdminClient, name: str) -> dict[str, str]:
    (answer,) = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name)])
    (resource,) = answer.resources
    if resource[0]:
        raise for_code(resource[0])(name)
    return {entry[0]: entry[1] for entry in resource[4]}


UNREACHABLE = (KafkaError, OSError, TimeoutError)
"""What it looks like when there is no cluster to ask."""
