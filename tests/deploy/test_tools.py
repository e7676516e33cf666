"""A tool that is not there is never passed over in silence."""

import pytest

from tests.deploy.tools import tool


def test_a_missing_tool_skips_the_test_and_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("TOCSIN_REQUIRE_DEPLOY_TOOLS", raising=False)
    with pytest.raises(pytest.skip.Exception, match="make deploy-tools"):
        tool("a-tool-that-nobody-has")


def test_where_tools_are_required_a_missing_one_fails_the_test(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TOCSIN_REQUIRE_DEPLOY_TOOLS", "1")
    with pytest.raises(pytest.fail.Exception, match="make deploy-tools"):
        tool("a-tool-that-nobody-has")
