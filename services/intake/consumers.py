"""What intake hears: how the cases of its reports go on, and who wants to be told of it."""

from libs.events import Subscription
from libs.events.catalogue import WebhookRegistered, WebhookRemoved
from services.intake.handlers.receipts import follow_cases, follow_clients
from services.intake.rules.progress import HEARD

LINGER_S = 0.05
"""How far a receipt may be behind its case."""

SUBSCRIPTIONS = (
    Subscription(group="intake.progress", types=HEARD, handler=follow_cases, linger_s=LINGER_S),
    Subscription(group="intake.followers", types=(WebhookRegistered, WebhookRemoved), handler=follow_clients),
)
