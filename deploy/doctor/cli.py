"""`tocsin doctor`."""

import asyncio
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated

import orjson
import typer

from deploy.doctor.examination import Finding, examine
from deploy.doctor.lag import Lags, lags_of
from libs.i18n import gettext as _


def doctor(as_json: Annotated[bool, typer.Option("--json", help=_("As JSON, for programs."))] = False) -> None:
    """Checks promises 1–6 on the running system; exits with 1 when one is broken."""
    from deploy.embedded import connected
    from deploy.terminal import settings_for
    from libs.clock import SystemClock

    async def look() -> tuple[list[Finding], Lags]:
        settings = settings_for()
        async with connected(settings, _aside) as connection:
            return await examine(connection, SystemClock().now()), await lags_of(connection, settings)

    findings, lags = asyncio.run(look())
    texts = _texts_to_register()
    print(_document(findings, lags, texts) if as_json else _text(findings, lags, texts), flush=True)
    if not all(finding.ok for finding in findings) or lags.silent or texts:
        raise typer.Exit(1)


def _texts_to_register() -> list[str]:
    """What is missing at the domestic providers of SMS that this environment configures."""
    if not any(os.environ.get(name) for name in ("TOCSIN_ALIYUN_ACCESS_KEY_ID", "TOCSIN_TENCENT_SECRET_ID")):
        return []
    from services.notifier.app import load_registry
    from services.notifier.gateways.configured import problems_of_texts

    return problems_of_texts(load_registry())


def _text(findings: Sequence[Finding], lags: Lags, texts: Sequence[str] = ()) -> str:
    lines: list[str] = []
    for finding in findings:
        mark = _("kept") if finding.ok else _("BROKEN")
        figure = _("not checked") if finding.figure < 0 else str(finding.figure)
        lines.append(f"{finding.promise}  {mark:<8}{figure:>6}  {finding.name}")
        lines += [f"{'':19}{text}" for text in finding.detail]
    lines += ["", _("Events not dealt with, by group (shard or partition: events)"), *lags.lines(), ""]
    if texts:
        lines += [_("SMS texts that cannot go out everywhere (tocsin notifier templates)"), *(f"{'':19}{text}" for text in texts), ""]
    broken = sum(not finding.ok for finding in findings)
    lines.append(_("%(n)s promises are broken.", n=broken) if broken else _("All promises are kept."))
    return "\n".join(lines)


def _document(findings: Sequence[Finding], lags: Lags, texts: Sequence[str] = ()) -> str:
    document = {
        "ok": all(finding.ok for finding in findings) and not lags.silent and not texts,
        "promises": [asdict(finding) for finding in findings],
        "lag": asdict(lags),
        "sms_texts": list(texts),
    }
    return orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS).decode()


def _aside(line: str) -> None:
    """What is said on the way does not belong to the answer."""
    print(line, file=sys.stderr, flush=True)
