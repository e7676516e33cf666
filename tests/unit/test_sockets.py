import socket
from types import SimpleNamespace

import pytest

from libs.db.sockets import SILENT_S, watch


def connection_on(wire: socket.socket) -> SimpleNamespace:
    return SimpleNamespace(_transport=SimpleNamespace(get_extra_info=lambda name: wire if name == "socket" else None))


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="Linux only")
def test_a_connection_to_postgresql_gives_up_what_nobody_answers():
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as wire:
        watch(connection_on(wire))
        assert wire.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        assert wire.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == SILENT_S * 1000


def test_a_unix_socket_needs_nothing():
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as wire:
        watch(connection_on(wire))
