"""The roles that posts may have, with their names, rungs and sources."""

from dataclasses import dataclass
from typing import Literal

from libs.directory.model import Level
from libs.terms import Tier


@dataclass(frozen=True, slots=True)
class PostRole:
    """A kind of post. `tier` is its rung, `level` the level of the divisions that usually have it, `basis` where it comes from.

    Only posts of lane "ladder" are climbed; the others are told beside it, watch over it, or place what has no place.
    """

    code: str
    tier: Tier
    level: Level
    zh: str
    en: str
    basis: str
    lane: Literal["ladder", "police", "oversight", "dispatch"] = "ladder"
    aliases: tuple[str, ...] = ()
    """Other names for the same role in the founding documents and in laws."""


DISPATCH_DESK = "dispatch_desk"
"""The role that places and grades what nobody else can: a report without a place ends up here (promise 4)."""

COMMUNITY_ALIASES = ("未保专干", "社会保护工作专干", "专人专岗")
"""MF34, SEED_M and UMPL art 43 for the same person."""
CENTRE_ALIASES = ("未成年人保护中心", "未成年人救助保护中心", "未成年人救助保护机构", "流浪未成年人救助保护中心")
"""The last is the name until SEED_Z renamed it; before it, those of later laws."""
OFFICE_ALIASES = ("区未成年人保护工作领导小组办公室", "困境未成年人社会保护办公室")
"""SEED_F and SEED_Z for the same office."""

POST_ROLES: dict[str, PostRole] = {
    role.code: role
    for role in (
        PostRole("grid_worker", Tier.GRID, "grid", "网格员", "Grid worker", "SEED_X 网格化管理"),
        PostRole("grid_leader", Tier.STREET, "street", "网格长", "Grid leader", "SEED_Z: at the township or street, monthly revisit"),
        PostRole(
            "community_officer",
            Tier.COMMUNITY,
            "community",
            "儿童主任",
            "Community child officer",
            "MF34; UMPL art 43",
            aliases=COMMUNITY_ALIASES,
        ),
        PostRole("street_officer", Tier.STREET, "street", "儿童督导员", "Street child supervisor", "MF34"),
        PostRole("street_station", Tier.STREET, "street", "街道未成年人保护工作站", "Street child protection station", "UMPL art 81"),
        PostRole("street_civil_office", Tier.STREET, "street", "民社办", "Street civil affairs office", "SEED_X"),
        PostRole(
            "district_center",
            Tier.DISTRICT,
            "district",
            "区未成年人保护中心",
            "District child protection centre",
            "SEED_G; SEED_F",
            aliases=CENTRE_ALIASES,
        ),
        PostRole(
            "district_office",
            Tier.DISTRICT,
            "district",
            "区未保办",
            "District child protection office",
            "UMPL art 9",
            "oversight",
            OFFICE_ALIASES,
        ),
        PostRole("district_civil", Tier.DISTRICT, "district", "区民政局", "District civil affairs bureau", "UMPL art 81"),
        PostRole("city_civil", Tier.CITY, "city", "市民政局", "City civil affairs bureau", "UMPL art 81", aliases=("市未保办",)),
        PostRole("police_station", Tier.STREET, "street", "公安派出所", "Police station", "UMPL art 11; OPINION2020 art 2", "police"),
        PostRole(
            "police_branch", Tier.DISTRICT, "district", "公安分局", "District police bureau", "UMPL art 11; OPINION2020 art 2", "police"
        ),
        PostRole(
            "procurator", Tier.DISTRICT, "district", "检察院未检部门", "Juvenile procurators", "UMPL art 105; OPINION2020", "oversight"
        ),
        PostRole(
            DISPATCH_DESK,
            Tier.DISTRICT,
            "district",
            "值班调度台",
            "Dispatch desk",
            "OPINION2020 art 2: no report may find nobody",
            "dispatch",
        ),
    )
}

STANDARD_POSTS: dict[Level, tuple[str, ...]] = {
    "community": ("community_officer",),
    "street": ("street_officer",),
    "district": ("district_center", "district_office", "procurator", "police_branch", DISPATCH_DESK),
}
"""The posts that `directory import --with-posts` makes at each level: the ladder of community, street, district and its neighbours."""

_ROLES_BY_NAME = {name: role for role in POST_ROLES.values() for name in (role.code, role.zh, role.en.casefold(), *role.aliases)}


def role_named(name: str) -> PostRole | None:
    """The role of that code, name or other name, e.g. `community_officer`, 儿童主任 or 未保专干."""
    return _ROLES_BY_NAME.get(name) or _ROLES_BY_NAME.get(name.strip().casefold())


LADDER_ROLES: tuple[str, ...] = tuple(role.code for role in POST_ROLES.values() if role.lane == "ladder")
"""The roles that a case can rest on."""
