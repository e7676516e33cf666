"""Pages, their parts, and the files they need."""

from libs.web import templates
from libs.web.assets import static_url
from tests.unit.web.app import COOKIE, NOW


async def test_pages_escape_what_they_show_and_speak_both_languages(http):
    page = (await http.get("/open?lang=en&x=1")).text
    assert "&lt;b&gt;Hello&lt;/b&gt;" in page
    assert 'href="/open?x=1&amp;lang=zh_CN"' in page
    assert '<html lang="en"' in page
    assert "Staff log in" in page
    assert "/board" not in page


async def test_pages_show_the_links_that_the_visitor_may_use(http):
    page = (await http.get("/open", headers=COOKIE)).text
    assert 'href="/board"' in page
    assert 'href="/report"' in page
    assert 'href="/response-times"' not in page
    assert "chen" in page
    assert "Log out" in page


async def test_the_parts_of_pages_render():
    made = templates.environment().from_string(
        '{% import "ui.html" as ui with context %}'
        '{{ ui.grade("II") }}{{ ui.countdown(soon) }}{{ ui.countdown(past) }}{{ ui.ago(past) }}{{ ui.time(past) }}'
        '{{ ui.field("children[0].name", "Name", hint="h", error="e", maxlength=20) }}{{ ui.select("a", "A", [("x", "X")], value="x") }}'
        '{{ ui.choices("s", "S", [("a", "A"), ("b", "B")], chosen=["b"], type="checkbox") }}{{ ui.state("ok", "ok") }}'
        '{{ ui.error_summary([{"field": "f", "detail": "<i>"}]) }}'
    )
    text = made.render(now=NOW, locale="en", soon=NOW.replace(hour=9), past=NOW.replace(hour=7))
    for part in (
        'class="badge grade-II">Grade II <span class="word">urgent',
        'data-due="2026-05-04T09:00:00+00:00"',
        "1 h left",
        "1 h overdue",
        "1 h ago",
        'aria-describedby="f-children-0-name-hint f-children-0-name-error"',
        'maxlength="20"',
        'value="b" checked',
        '<option value="x" selected>',
        "&lt;i&gt;",
    ):
        assert part in text, part


async def test_assets_with_their_hash_are_kept_and_others_asked_for_again(http):
    hashed = await http.get(static_url("tocsin.css"))
    assert hashed.headers["cache-control"] == "public, max-age=31536000, immutable"
    other = await http.get("/static/tocsin.css?v=0123456789")  # of another version: kept under this name, it would be the wrong one
    assert other.headers["cache-control"] == "no-cache"
    assert (await http.get("/static/tocsin.css")).headers["cache-control"] == "no-cache"
    assert (await http.get("/static/../templates.py")).status_code == 404
    assert (await http.get("/static/%2e%2e/templates.py")).status_code == 404
