"""What a sandbox needs to know before it starts."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose virtual phone it is; only for the page of phones."""

    name: str
    post_title: str = ""


Owners: TypeAlias = Callable[[], Awaitable[Mapping[str, Owner]]]
"""Tells the owners of all known phones by number (E.164)."""


@dataclass(frozen=True, slots=True)
class ProviderAccount:
    """An account at a provider of mainland China, as `aliyun` and `tencent` play it.

    `keys`: id → secret, all of them accepted. `templates`: the provider's code → the text in the provider's syntax, without signature.
    `push_url`: where receipts and replies go, without the last part (`…/v1/aliyun/SECRET`). `daily_max`: messages of one template to one
    number; None: any number. `returns_context`: Tencent's SessionContext comes back in its list, which Tencent switches on by hand.
    """

    keys: Mapping[str, str] = field(repr=False)
    signature: str
    templates: Mapping[str, str]
    push_url: str = field(repr=False)
    app_id: str = ""
    daily_max: int | None = None
    returns_context: bool = True


@dataclass(frozen=True, slots=True)
class SandboxConfig:
    """The account that the sandbox plays, where it reports to, and its bounds.

    `auth_tokens`: the first signs callbacks, all of them are accepted as the API password, as during a rotation.
    `inbound_url`: the webhook that is told of replies; signatures are made over exactly this text.
    `callback_statuses`: the statuses that are reported to a message's StatusCallback, in order.
    """

    account_sid: str
    auth_tokens: tuple[str, ...] = field(repr=False)
    from_number: str
    inbound_url: str
    callback_statuses: tuple[str, ...] = ("queued", "sent", "delivered")
    messages_max: int = 20_000
    callbacks_pending_max: int = 50_000
    callbacks_at_once_max: int = 64
    callback_tries_max: int = 4
    callback_timeout_s: float = 10.0
    hang_s_max: float = 120.0
    aliyun: ProviderAccount | None = None
    tencent: ProviderAccount | None = None
