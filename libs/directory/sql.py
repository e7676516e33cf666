"""Every query of the read model. Text prefixes are asked as ranges (`~>=~`, `~<~`), so that a bound parameter still uses its index."""

from typing import Any

from libs.directory.model import Division

PREFIX_END = "\U0010ffff"
"""Sorts after every character that may follow a prefix."""


def division(row: Any) -> Division:
    """A division from its row."""
    return Division(row["code"], row["name"], row["level"], row["parent_code"], row["zone"])


VERSION = "SELECT version FROM directory.version"

DIVISION = "SELECT code, name, level, parent_code, zone FROM directory.divisions WHERE code = $1"

DIVISIONS = """
SELECT code, name, level, parent_code, zone FROM directory.divisions WHERE code = ANY($1::text[]) ORDER BY length(code) DESC, code
"""

OFFICER = "SELECT officer_id, name, language, active, quiet_from, quiet_to FROM directory.officers WHERE officer_id = $1"

CONTACTS = """
SELECT c.contact_id, c.channel, c.phone_sealed, c.priority
FROM directory.contacts c JOIN directory.officers o USING (officer_id)
WHERE c.officer_id = $1 AND c.enabled AND o.active
ORDER BY c.priority, c.contact_id
"""

CONTACTS_BY_PHONE = """
SELECT c.officer_id, c.contact_id
FROM directory.contacts c JOIN directory.officers o USING (officer_id)
WHERE c.phone_index = ANY($1::bytea[]) AND (c.enabled OR c.stopped_at IS NOT NULL) AND o.active
ORDER BY c.officer_id, c.contact_id
"""
"""Those from which STOP has come, too: whoever wants no more messages may still answer one, and may want them again."""

POSTS_OF = """
SELECT h.post_id
FROM directory.holdings h
WHERE h.officer_id = $1 AND h.state = 'current'
"""

EXAMPLE = """
SELECT division_code FROM directory.posts WHERE division_code >= $1 AND division_code < $2
ORDER BY length(division_code) DESC, division_code LIMIT 1
"""
"""$1 the place, $2 the place followed by what sorts after every digit."""

REACHABLE = """
(o.active AND EXISTS (SELECT 1 FROM directory.contacts c WHERE c.officer_id = o.officer_id AND c.enabled))
"""

_REACHABLE_ONE = """
(o.active AND (SELECT true FROM directory.contacts c WHERE c.officer_id = o.officer_id AND c.enabled LIMIT 1) IS NOT NULL)
"""
"""The same for a few officers: EXISTS would be answered for the whole country first, and looked up in that."""

_POSTS = f"""
SELECT p.post_id, p.division_code, p.role, p.tier, p.title_zh, p.title_en, p.position,
       h.officer_id, h.rank, h.on_duty, coalesce({_REACHABLE_ONE}, false) AS reachable
FROM directory.posts p
LEFT JOIN directory.holdings h ON h.post_id = p.post_id AND h.state = 'current'
LEFT JOIN directory.officers o ON o.officer_id = h.officer_id
"""

_IN_ORDER = """
ORDER BY length(p.division_code) DESC, p.division_code, p.position, p.role, p.post_id,
         h.duty, h.rank = 'deputy', h.valid_from, h.officer_id
"""
"""`duty` is what the roster job found (libs.directory.duty); 0 for all where there is neither a roster nor a leave."""

PLACES = f"""
SELECT d.code, d.name, d.level, d.parent_code, d.zone,
       p.post_id, p.division_code, p.role, p.tier, p.title_zh, p.title_en, p.position,
       h.officer_id, h.rank, h.on_duty, coalesce({_REACHABLE_ONE}, false) AS reachable
FROM directory.divisions d
LEFT JOIN directory.posts p ON p.division_code = d.code
LEFT JOIN directory.holdings h ON h.post_id = p.post_id AND h.state = 'current'
LEFT JOIN directory.officers o ON o.officer_id = h.officer_id
WHERE d.code = ANY($1::text[])
ORDER BY length(d.code) DESC, d.code, p.position, p.role, p.post_id,
         h.duty, h.rank = 'deputy', h.valid_from, h.officer_id
"""
"""Places with their posts and holders, lowest first; a place without a post is one row."""

POSTS_BY_ROLE = f"{_POSTS} WHERE p.role = $1 {_IN_ORDER}"

POSTS_BY_ID = f"{_POSTS} WHERE p.post_id = ANY($1::uuid[]) {_IN_ORDER}"

DUTY_ZONES = """
SELECT p.post_id, d.zone FROM directory.posts p JOIN directory.divisions d ON d.code = p.division_code WHERE p.post_id = ANY($1::uuid[])
"""

DUTY_HOLDERS = f"""
SELECT h.post_id, h.officer_id, h.rank, h.valid_from, h.valid_to, {REACHABLE} AS reachable
FROM directory.holdings h JOIN directory.officers o USING (officer_id)
WHERE h.post_id = ANY($1::uuid[]) AND h.state <> 'ended'
ORDER BY h.valid_from, h.holding_id
"""

DUTY_ROSTERS = "SELECT post_id, shifts FROM directory.rosters WHERE post_id = ANY($1::uuid[])"

DUTY_OVERRIDES = """
SELECT override_id, post_id, officer_id, starts_at, ends_at, given_by FROM directory.duty_overrides
WHERE post_id = ANY($1::uuid[]) AND ends_at > $2
ORDER BY created_at, override_id
"""

DUTY_LEAVES = """
SELECT leave_id, officer_id, starts_at, ends_at FROM directory.leaves WHERE officer_id = ANY($1::uuid[]) AND ends_at > $2
ORDER BY starts_at, leave_id
"""

_IN_SCOPE = "(cardinality($3::text[]) = 0 OR EXISTS (SELECT 1 FROM unnest($3::text[]) AS scope WHERE starts_with(code, scope)))"

_BY_PREFIX = f"""
(SELECT code, %(rank)d AS rank FROM directory.divisions
 WHERE %(column)s ~>=~ $1 AND %(column)s ~<~ $2 AND {_IN_SCOPE}
 ORDER BY %(column)s <> $1, length(code), code LIMIT $4)
"""

_RANKS = {"code": 1, "name": 1, "pinyin": 2, "initials": 3}

SEARCH_PREFIX = f"""
WITH found AS (
    {"UNION ALL".join(_BY_PREFIX % {"column": column, "rank": rank} for column, rank in _RANKS.items())}
),
best AS (SELECT code, min(rank) AS rank FROM found GROUP BY code)
SELECT d.code, d.name, d.level, d.parent_code, d.zone
FROM best JOIN directory.divisions d USING (code)
ORDER BY $1 NOT IN (d.name, d.code, d.pinyin, d.initials), best.rank, length(d.code), d.code
LIMIT $4
"""
"""$1 the text, $2 the end of its range, $3 the codes within which to look (empty: everywhere)."""

SEARCH_INSIDE = """
SELECT code, name, level, parent_code, zone FROM directory.divisions
WHERE name LIKE $1
ORDER BY length(code), code
LIMIT $2
"""
