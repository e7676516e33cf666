"""A stand-in for Twilio: the same HTTP interface, error codes, signed callbacks and replies, and faults on demand.

Its page shows virtual phones, on which one reads the SMS as the officer would, and answers.
The embedded mode mounts it under /sandbox, so that the real Twilio path runs end to end without an account.
"""

from deploy.sandbox.app import Sandbox, create_app
from deploy.sandbox.config import Owner, SandboxConfig
from deploy.sandbox.post import Poster, PostFailed

__all__ = ["Owner", "PostFailed", "Poster", "Sandbox", "SandboxConfig", "create_app"]
