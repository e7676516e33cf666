"""How far each group is behind, on either bus."""

from dataclasses import dataclass, field

from libs.db import Tx
from libs.events.backlog import unread
from libs.events.relaying import RELAY
from libs.i18n import gettext as _
from libs.settings import CommonSettings

COUNT_MAX = 10_000
"""Nobody needs to know more exactly than this how bad it is."""


@dataclass(frozen=True, slots=True)
class Lags:
    """Events not dealt with: in the log by (group, shard), in Kafka by (group, partition). `silent` names what did not answer."""

    log: dict[str, dict[int, int]]
    kafka: dict[str, dict[int, int]] = field(default_factory=dict)
    silent: str = ""

    def lines(self) -> list[str]:
        """One text for each group."""
        lines = [_line(_("log"), group, by_shard) for group, by_shard in self.log.items()]
        lines += [_line("kafka", group, by_partition) for group, by_partition in self.kafka.items()]
        if self.silent:
            lines.append(_("Kafka does not answer: %(why)s", why=self.silent))
        return lines


async def lags_of(connection: Tx, settings: CommonSettings) -> Lags:
    """As of now."""
    log = await unread(connection, COUNT_MAX)
    if settings.bus != "kafka":
        return Lags(log)
    from deploy.embedded import kafka_settings
    from libs.events.kafka.survey import Survey, Unknown

    survey = Survey(kafka_settings())
    try:
        # One after another: when Kafka is silent the first to find out is enough.
        return Lags(log, {group: await survey.lags(group) for group in log if group != RELAY})
    except Unknown as error:
        return Lags(log, silent=str(error))
    finally:
        await survey.close()


def _line(where: str, group: str, lags: dict[int, int]) -> str:
    behind = " ".join(f"{number}:{lag}" for number, lag in sorted(lags.items()) if lag)
    return f"{where:<6} {group:<18} {sum(lags.values()):>7}  {behind}".rstrip()
