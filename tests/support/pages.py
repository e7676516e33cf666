"""What every page owes its readers, asked of the page itself in the browser. Each check answers a list of complaints."""

import re
from collections.abc import Iterable
from typing import Any

from playwright.async_api import Page

from tests.support.browser import TOO_WIDE

TARGET_MIN_PX = 24
"""The smallest thing to press (WCAG 2.2, 2.5.8); links within a sentence are exempt."""
CONTRAST_MIN = 4.5
"""Between text and what is behind it (WCAG 2.2, 1.4.3)."""

NAMES_AND_CODES = {
    *("English", "Tocsin", "Twilio", "twilio", "sandbox", "Alt", "JavaScript", "SMS", "CSV", "ics"),
    *("operator", "supervisor", "auditor", "admin", "officer-nanyuan-community", "officer-nanyuan-co"),
    *("futian_2022", "national", "mm", "dd", "yyyy"),
}
"""Latin words that stand on Chinese pages too: brands, the other language's name, accounts, keys, codes of policies."""

_CHINESE = re.compile(r"[\u3400-\u9fff]")
_FRAME = """() => {
  const bad = []
  const one = (what, found) => { if (found.length !== 1) bad.push(`${found.length} of ${what}`) }
  one('h1', document.querySelectorAll('h1'))
  one('main', document.querySelectorAll('main'))
  if (!document.title.includes('·') || document.title.startsWith(' ')) bad.push(`title ${document.title}`)
  const ids = [...document.querySelectorAll('[id]')].map(e => e.id)
  for (const id of new Set(ids.filter((id, at) => ids.indexOf(id) !== at))) bad.push(`id ${id} twice`)
  for (const name of ['for', 'aria-labelledby', 'aria-describedby', 'aria-controls'])
    for (const element of document.querySelectorAll(`[${name}]`))
      for (const id of element.getAttribute(name).split(/\\s+/)) if (id && !ids.includes(id)) bad.push(`${name} ${id} leads nowhere`)
  for (const image of document.querySelectorAll('img:not([alt]), svg[role=img]:not([aria-label])')) bad.push(`no alt ${image.outerHTML}`)
  return bad
}"""

_NAMES = """() => {
  const said = id => document.getElementById(id)?.textContent.trim()
  const named = e => (e.getAttribute('aria-labelledby') || '').split(/\\s+/).some(said) || e.getAttribute('aria-label')?.trim()
    || [...(e.labels || [])].some(l => l.textContent.trim()) || (!e.matches('input, select, textarea') && e.textContent.trim())
  return [...document.querySelectorAll('input:not([type=hidden]), select, textarea, button, a[href], summary')]
    .filter(e => !named(e)).map(e => `nameless ${e.outerHTML.slice(0, 120)}`)
}"""

# After one Tab the browser shows the focus of whatever is focused next, as it does for people with keyboards.
_FOCUS = """() => {
  const shown = e => e && getComputedStyle(e).outlineStyle !== 'none' && parseFloat(getComputedStyle(e).outlineWidth) >= 2
  const here = document.activeElement
  const bad = [...document.querySelectorAll('input:not([type=hidden]), select, textarea, button, a[href], summary, [tabindex="0"]')]
    .filter(e => e.checkVisibility() && !e.disabled)
    .filter(e => { e.focus({preventScroll: true}); return document.activeElement !== e || !(shown(e) || shown(e.closest('.choice'))) })
    .map(e => `focus unseen ${e.outerHTML.slice(0, 120)}`)
  here.focus({preventScroll: true})
  return bad
}"""

_TARGETS = """smallest => [...document.querySelectorAll('input:not([type=hidden]), select, textarea, button, a[href], summary')]
  .filter(e => e.checkVisibility() && !e.matches('.skip, p a, li a, dd a, td a, th a'))
  .map(e => e.closest('.choice') || e)
  .filter(e => { const box = e.getBoundingClientRect(); return box.height < smallest || box.width < smallest })
  .map(e => `too small to press ${e.outerHTML.slice(0, 120)}`)"""

_CONTRAST = """least => {
  const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true})
  const known = new Map()
  const painted = css => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = css; canvas.fillRect(0, 0, 1, 1)
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data; return [r, g, b, a / 255] }
  const numbers = css => known.get(css) || known.set(css, painted(css)).get(css)
  const over = (top, under) => [0, 1, 2].map(i => top[i] * top[3] + under[i] * (1 - top[3])).concat(1)
  const light = c => { const [r, g, b] = c.map(v => v / 255).map(v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
    return .2126 * r + .7152 * g + .0722 * b }
  const behind = e => { const layers = []
    for (let at = e; at && layers.at(-1)?.[3] !== 1; at = at.parentElement) layers.push(numbers(getComputedStyle(at).backgroundColor))
    return layers.reduceRight((under, top) => over(top, under), [255, 255, 255, 1]) }
  const bad = []
  for (const e of document.querySelectorAll('body *')) {
    const own = [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim())
    if (!own || !e.checkVisibility() || e.closest('.visually-hidden, .skip, [disabled], option, script, template')) continue
    const paper = behind(e), ink = over(numbers(getComputedStyle(e).color), paper)
    const [dark, bright] = [light(ink), light(paper)].sort((a, b) => a - b)
    const ratio = (bright + .05) / (dark + .05)
    if (ratio < least) bad.push(`contrast ${ratio.toFixed(1)} ${e.outerHTML.slice(0, 120)}`)
  }
  return bad
}"""

_WORDS = """() => {
  const texts = [document.title, ...[...document.querySelectorAll('[placeholder], [title], [aria-label], [alt], [data-confirm]')]
    .filter(e => !e.closest('[hreflang]'))
    .flatMap(e => ['placeholder', 'title', 'aria-label', 'alt', 'data-confirm'].map(n => e.getAttribute(n) || ''))]
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
  for (let node = walk.nextNode(); node; node = walk.nextNode()) {
    const e = node.parentElement
    if (!e.closest('script, noscript, style, template, [hreflang], .bubble, code, .code, .kbd, [value=zh_CN]')) texts.push(node.textContent)
  }
  return texts.map(t => t.trim()).filter(Boolean)
}"""

_TIMES = """() => [...document.querySelectorAll('time[datetime]:not(.countdown, .ago)')]
  .map(e => [e.textContent, new Intl.DateTimeFormat('en-GB', {hour: '2-digit', minute: '2-digit', timeZone: 'Asia/Shanghai'})
    .format(new Date(e.dateTime))])
  .filter(([text, wanted]) => !text.includes(wanted)).map(([text, wanted]) => `${text} is not ${wanted} in Shanghai`)"""


_LANGUAGE = "asked => document.documentElement.lang === asked ? [] : ['another language than asked for']"


async def sound(page: Page, language: str, names: Iterable[str]) -> None:
    """Holds the open page against everything above; `names` are places and people that are called the same in every language."""
    complaints = await _said(page, (_FRAME, None), (_NAMES, None), (_TIMES, None), (_LANGUAGE, language))
    complaints += foreign(await page.evaluate(_WORDS), language, names)
    assert not complaints, f"{page.url}\n" + "\n".join(complaints)


async def in_shape(page: Page) -> None:
    """Holds the open page, as wide as it is, against those of the above that its width may change."""
    complaints = await _said(page, (_TARGETS, TARGET_MIN_PX), (_CONTRAST, CONTRAST_MIN), (TOO_WIDE, None))
    await page.emulate_media(color_scheme="dark", reduced_motion="reduce")
    complaints += [f"in the dark: {one}" for one in await page.evaluate(_CONTRAST, CONTRAST_MIN)]
    await page.emulate_media(color_scheme="light")
    await page.keyboard.press("Tab")
    complaints += await page.evaluate(_FOCUS)
    assert not complaints, f"{page.url}\n" + "\n".join(complaints)


async def _said(page: Page, *checks: tuple[str, object]) -> list[str]:
    """What several checks complain about, asked at once: `evaluate` takes its time for each question."""
    asked = ", ".join(f"({check})(given[{number}])" for number, (check, _given) in enumerate(checks))
    found: list[str] = await page.evaluate(f"given => [{asked}].flat()", [given for _check, given in checks])
    return found


def foreign(texts: list[str], language: str, names: Iterable[str]) -> list[str]:
    """What is left over from the other language."""
    return _latin(texts) if language == "zh-CN" else _chinese(texts, names)


def _latin(texts: list[str]) -> list[str]:
    return [
        f"English: {word!r} in {text!r}"
        for text in texts
        for word in re.findall(r"[A-Za-z0-9_+/-]{2,}", text)
        if word not in NAMES_AND_CODES and not re.search(r"\d|^[CFGHJMPQRVWX]{6}$", word) and re.search(r"[A-Za-z]{2}", word)
    ]


def _chinese(texts: list[str], names: Iterable[str]) -> list[str]:
    longest_first = sorted(names, key=len, reverse=True)
    found: list[str] = []
    for text in filter(_CHINESE.search, texts):
        left = text
        for name in longest_first:
            left = left.replace(name, "")
        left = re.sub(r"示例·?[甲乙丙丁戊己庚辛壬癸]?|【测试】合成的叙述", "", left)
        if _CHINESE.search(left):
            found.append(f"Chinese: {text!r}")
    return found


def place_names(rows: Iterable[dict[str, Any]]) -> set[str]:
    """What places are called, long and short."""
    names = {str(row["name"]) for row in rows}
    return names | {name.removesuffix("居委会") for name in names}
