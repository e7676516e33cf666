"""A stand-in for Twilio: the same HTTP interface, error codes, signed callbacks and replies, and faults on demand.

Its page shows virtual phones, on which one reads the SMS as the officer would, and answers.
With an account at Aliyun or Tencent Cloud (`SandboxConfig.aliyun`, `.tencent`) it stands in for those too, under `/aliyun` and `/tencent`:
their SDKs' signatures are verified, texts and variables must be as registered, receipts and replies are pushed to `push_url`. The phones,
the faults (with `provider`) and `courier` are the same. See `tests/support/china.py` for the whole of it in a few lines.
The embedded mode mounts it under /sandbox, so that the real Twilio path runs end to end without an account.
"""

from deploy.sandbox.app import Sandbox, create_app
from deploy.sandbox.config import Owner, ProviderAccount, SandboxConfig
from deploy.sandbox.post import Poster, PostFailed

__all__ = ["Owner", "PostFailed", "Poster", "ProviderAccount", "Sandbox", "SandboxConfig", "create_app"]
