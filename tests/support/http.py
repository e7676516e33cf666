"""A client for what speaks plain HTTP on loopback."""

import ssl
from typing import Any

import httpx

_NO_CERTIFICATES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Nothing there is encrypted; and reading the certificates of all the world takes as long as a small test."""


def client(base_url: str, **settings: Any) -> httpx.AsyncClient:
    """An `httpx.AsyncClient` with these settings."""
    return httpx.AsyncClient(base_url=base_url, verify=_NO_CERTIFICATES, **settings)
