"""The +86 profile from report to acknowledgement: registered texts through Aliyun, and through Tencent Cloud where Aliyun does not send."""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from services.notifier.app import load_registry
from services.notifier.rules.registered import to_register
from tests.support.china import SIGNATURE, China
from tests.support.world import World, make_world

LINK = re.compile(r"://|www\.|[a-z0-9]\.[a-z]{2}", re.IGNORECASE)


@pytest.fixture
async def china(demo_database_url: str, tmp_path: Path) -> AsyncIterator[World]:
    async with make_world(demo_database_url, tmp_path, china=True) as made:
        yield made


async def test_the_mainland_profile(china: World, tmp_path: Path) -> None:
    codes = China.at(china.base_url, tmp_path).codes
    report = await china.report()
    await china.settle()
    first = await china.phones()
    assert first
    assert {one["provider"] for one in first} == {"aliyun"}
    as_registered(first, codes)

    answer = await china.http.put("/sandbox/faults", json={"items": [{"provider": "aliyun", "code": "isv.AMOUNT_NOT_ENOUGH"}]})
    assert answer.status_code == 200
    await china.advance(minutes=35)
    later = (await china.phones())[len(first) :]
    assert later, "nobody answered: it has climbed"
    assert {one["provider"] for one in later} == {"tencent"}
    as_registered(later, codes)

    asked = next(one for one in reversed(later) if "回复1签收" in one["body"])
    await china.reply(asked, "1")
    await china.settle()
    (shown,) = (await china.get("/v1/cases", report_id=report["report_id"]))["items"]
    assert shown["status"] == "acknowledged"
    assert len(await china.fetch("SELECT 1 FROM bus.outbox WHERE event_type = 'tocsin.officer.replied.v1'")) == 1
    asked_for = await china.fetch("SELECT gateway, state FROM notifier.attempts WHERE state NOT IN ('delivered', 'rejected')")
    assert asked_for == [], "every receipt came home"


def as_registered(messages: list[dict[str, Any]], codes: dict[str, dict[str, str]]) -> None:
    """Each is one of our texts under its code at that provider, with the values of its variables in their order, and nothing else."""
    for one in messages:
        ours = next(template_id for template_id, code in codes[one["provider"]].items() if code == one["template"])
        texts = to_register(load_registry(), one["provider"], takes_replies=True)
        registered = next(text for text in texts if text.template_id == ours)
        values = [value.partition("=")[2] if one["provider"] == "aliyun" else value for value in one["variables"]]
        assert len(values) == len(registered.variables)
        body = registered.text
        for (placeholder, longest), value in zip(registered.variables, values, strict=True):
            assert len(value) <= len(longest)
            body = body.replace(placeholder, value)
        assert one["body"] == f"【{SIGNATURE}】{body}"
        assert not LINK.search(one["body"])
        assert len(one["body"]) <= 70
