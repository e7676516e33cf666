"""The roles that posts may have, with their names, rungs and sources."""

from dataclasses import dataclass
from typing import Literal

from libs.directory.model import Level
from libs.terms import Department, Tier


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
    lane: Literal["ladder", "police", "oversight", "dispatch", "department"] = "ladder"
    aliases: tuple[str, ...] = ()
    """Other names for the same role in the founding documents and in laws."""
    department: Department | None = None
    """The department that it answers for when a case is referred by its subject (属事属管)."""


DISPATCH_DESK = "dispatch_desk"
"""The role that places and grades what nobody else can: a report without a place ends up here (promise 4)."""

COMMUNITY_ALIASES = ("未保专干", "社会保护工作专干", "专人专岗")
"""MF34, SEED_M and UMPL art 43 for the same person."""
CENTRE_ALIASES = ("未成年人保护中心", "未成年人救助保护中心", "未成年人救助保护机构", "流浪未成年人救助保护中心")
"""The last is the name until SEED_Z renamed it; before it, those of later laws."""
OFFICE_ALIASES = ("区未成年人保护工作领导小组办公室", "困境未成年人社会保护办公室")
"""SEED_F and SEED_Z for the same office."""

_OfDepartments = Literal["street", "district"]
_OF_DEPARTMENTS: tuple[tuple[str, _OfDepartments, str, str, str, Department], ...] = (
    ("education_center", "street", "教管中心", "Street education centre", "SEED_X X03, X14", Department.EDUCATION),
    ("health_center", "street", "社区卫生服务中心", "Community health centre", "SEED_X X03", Department.HEALTH),
    ("justice_office", "street", "司法所", "Justice office", "SEED_X X03", Department.JUSTICE),
    ("market_office", "street", "市场监管所", "Market regulation office", "SEED_X X24", Department.MARKET),
    ("women_office", "street", "街道妇联", "Street women's federation", "SEED_X X05, X11", Department.WOMEN),
    ("league_office", "street", "街道团工委", "Street youth league", "SEED_X X05", Department.LEAGUE),
    ("district_education", "district", "区教育局", "District education bureau", "UMPL arts 20, 39", Department.EDUCATION),
    ("district_health", "district", "区卫生健康局", "District health bureau", "OPINION2020 art 4", Department.HEALTH),
    ("district_justice", "district", "区司法局", "District justice bureau", "SEED_Z Z23", Department.JUSTICE),
    ("district_women", "district", "区妇联", "District women's federation", "ADVL art 23; SEED_G G18", Department.WOMEN),
    ("district_league", "district", "团区委", "District youth league", "SEED_Z Z28", Department.LEAGUE),
    ("district_court", "district", "区人民法院", "District court", "ADVL arts 23, 28; SEED_G G18", Department.COURT),
    ("district_disabled", "district", "区残联", "District disabled persons' federation", "UMPL art 9", Department.DISABLED),
    ("district_hr", "district", "区人力资源和社会保障局", "District labour bureau", "OPINION2020 art 4(5) 工伤", Department.HR),
    ("district_market", "district", "区市场监管局", "District market regulation bureau", "SEED_X X24", Department.MARKET),
    ("district_cyber", "district", "区网信办", "District cyberspace office", "MNETR", Department.CYBER),
    ("district_supervision", "district", "区监察委员会", "District supervisory commission", "UMPL art 119", Department.SUPERVISION),
    (
        "family_committee",
        "district",
        "区关工委",
        "District committee for the care of the next generation",
        "UMPL art 9",
        Department.FAMILY_COMMITTEE,
    ),
    ("charity_federation", "district", "区慈善会", "District charity federation", "SEED_M M17", Department.CHARITY),
)
"""Code, level, names, source and department of the posts that are told by subject; the ladder never rests on them."""

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
        PostRole(
            "street_civil_office", Tier.STREET, "street", "民社办", "Street civil affairs office", "SEED_X", department=Department.CIVIL
        ),
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
        PostRole(
            "district_civil",
            Tier.DISTRICT,
            "district",
            "区民政局",
            "District civil affairs bureau",
            "UMPL art 81",
            department=Department.CIVIL,
        ),
        PostRole("city_civil", Tier.CITY, "city", "市民政局", "City civil affairs bureau", "UMPL art 81", aliases=("市未保办",)),
        PostRole(
            "police_station",
            Tier.STREET,
            "street",
            "公安派出所",
            "Police station",
            "UMPL art 11; OPINION2020 art 2",
            "police",
            department=Department.POLICE,
        ),
        PostRole(
            "police_branch",
            Tier.DISTRICT,
            "district",
            "公安分局",
            "District police bureau",
            "UMPL art 11; OPINION2020 art 2",
            "police",
            department=Department.POLICE,
        ),
        PostRole(
            "procurator",
            Tier.DISTRICT,
            "district",
            "检察院未检部门",
            "Juvenile procurators",
            "UMPL art 105; OPINION2020",
            "oversight",
            department=Department.PROCURATORATE,
        ),
        *(
            PostRole(code, Tier(level), level, zh, en, basis, "department", department=department)
            for code, level, zh, en, basis, department in _OF_DEPARTMENTS
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

DEPARTMENT_ROLES: dict[Department, tuple[str, ...]] = {
    one: tuple(role.code for role in POST_ROLES.values() if role.department is one) for one in Department
}
"""The roles that answer for each department where a policy says nothing else, the lower tier first."""
