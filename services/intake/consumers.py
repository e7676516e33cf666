"""What intake hears: how the cases of its reports go on."""

from libs.events import Subscription
from services.intake.handlers.receipts import follow_cases
from services.intake.rules.progress import HEARD

LINGER_S = 0.05
"""How far a receipt may be behind its case."""

SUBSCRIPTIONS = (Subscription(group="intake.progress", types=HEARD, handler=follow_cases, linger_s=LINGER_S),)
