"""Finding a place by what people type: name, pinyin, initials, code, or several words from the outside in."""

import unicodedata

from libs.db import Tx
from libs.directory import sql
from libs.directory.model import Division

TEXT_LENGTH_MAX = 40
WORDS_MAX = 4
SCOPES_MAX = 50
RESULTS_MAX = 100
LOOKUP_TIMEOUT_S = 10.0


def words_of(text: str) -> list[str]:
    """What was typed as words to look for: width and case folded, apostrophes and wildcards gone, at most `WORDS_MAX`."""
    folded = unicodedata.normalize("NFKC", text[:TEXT_LENGTH_MAX]).lower()
    kept = "".join(char if char.isalnum() else " " if char.isspace() or char in ",，、/>-" else "" for char in folded)
    return kept.split()[:WORDS_MAX]


def splits_of(word: str) -> list[tuple[str, str]]:
    """The ways in which a Chinese word may be an outer and an inner place said in one breath: 福田区南园 → 福田区, 南园."""
    if word.isascii():
        return []
    return [(word[:at], word[at:]) for at in range(len(word) - 2, 1, -1)]


async def search(tx: Tx, text: str, limit: int = 20) -> list[Division]:
    """The places that `text` may mean, best first, at most `limit` (and never more than `RESULTS_MAX`)."""
    words = words_of(text)
    limit = min(max(limit, 1), RESULTS_MAX)
    if not words:
        return []
    found = await _within(tx, words, limit)
    if found or len(words) > 1:
        return found
    for outer, inner in splits_of(words[0]):
        found = await _within(tx, [outer, inner], limit)
        if found:
            return found
    if len(words[0]) > 1 and not words[0].isascii():  # reads every name: only for what may be in the middle of one
        rows = await tx.fetch(sql.SEARCH_INSIDE, f"%{words[0]}%", limit, timeout=LOOKUP_TIMEOUT_S)
        return [sql.division(row) for row in rows]
    return []


async def _within(tx: Tx, words: list[str], limit: int) -> list[Division]:
    scopes: list[str] = []
    for position, word in enumerate(words):
        last = position == len(words) - 1
        found = await _matching(tx, word, scopes, limit if last else SCOPES_MAX)
        if last or not found:
            return found
        scopes = [division.code for division in found]
    return []


async def _matching(tx: Tx, word: str, scopes: list[str], limit: int) -> list[Division]:
    rows = await tx.fetch(sql.SEARCH_PREFIX, word, word + sql.PREFIX_END, scopes, limit, timeout=LOOKUP_TIMEOUT_S)
    return [sql.division(row) for row in rows]
