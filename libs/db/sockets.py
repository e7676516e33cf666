"""Connections that notice when nobody is there any more: a cable that was pulled says nothing, and TCP would wait a quarter of an hour."""

import socket
from typing import Any

SILENT_S = 6
"""How long the other side's kernel may leave unanswered what was sent to it. A process that is busy, or stopped, answers all the same."""

SERVER_SETTINGS = {
    "tcp_keepalives_idle": "3",
    "tcp_keepalives_interval": "1",
    "tcp_user_timeout": f"{SILENT_S}s",
}
"""The same for the server's end: what a client that is cut off has locked is free again soon. Over a Unix socket they mean nothing."""


def watch(connection: Any) -> None:
    """Makes a connection of asyncpg fail when nobody has answered for `SILENT_S`."""
    wire = connection._transport.get_extra_info("socket")  # noqa: SLF001 - there is no other way to the socket
    if wire is None or wire.family not in {socket.AF_INET, socket.AF_INET6}:
        return
    wire.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (("TCP_KEEPIDLE", 3), ("TCP_KEEPINTVL", 1), ("TCP_KEEPCNT", SILENT_S), ("TCP_USER_TIMEOUT", SILENT_S * 1000)):
        if number := getattr(socket, option, None):  # not every system has all of them
            wire.setsockopt(socket.IPPROTO_TCP, number, value)
