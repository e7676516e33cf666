"""The field's standard terms: the codes that every room shares. Labels in zh and en stand in `labels.py`."""

from enum import StrEnum


class Grade(StrEnum):
    """Severity, I the highest (analogy: Emergency Response Law arts 63, 71). Never to be confused with the tier."""

    I = "I"  # noqa: E741 - the domain's own numeral
    II = "II"
    III = "III"
    IV = "IV"

    @property
    def rank(self) -> int:
        """1 for I … 4 for IV: the smaller, the more urgent."""
        return list(Grade).index(self) + 1


class Tier(StrEnum):
    """Administrative level of a rung of the response ladder, lowest first."""

    GRID = "grid"
    COMMUNITY = "community"
    STREET = "street"
    DISTRICT = "district"
    CITY = "city"


class Step(StrEnum):
    """What has to be done on a case, in the usual order; each may have a deadline."""

    DISPATCH = "dispatch"
    ACKNOWLEDGE = "acknowledge"
    ON_SITE = "on_site"
    FIRST_WRITTEN_UP = "first_written_up"
    ASSESSMENT = "assessment"
    CASE_CONFERENCE = "case_conference"
    CLOSE = "close"
    POLICE_LINKED = "police_linked"
    REPORTER_INFORMED = "reporter_informed"
    """The reporter was told the outcome."""
    REPORTER_PROCEDURE = "reporter_procedure"
    """The reporter was told that the matter is being dealt with, and how it goes on."""
    VISIT = "visit"
    """A visit to the child after the case was closed (回访)."""


class Situation(StrEnum):
    """MR: the nine situations of OPINION2020 art 4; GC: guardianship situations below them (UMPL arts 11, 21, 43, 92)."""

    MR1_GENITAL_INJURY = "MR1_GENITAL_INJURY"
    MR2_U14_SEXUAL = "MR2_U14_SEXUAL"
    MR3_O14_SEXUAL = "MR3_O14_SEXUAL"
    MR4_ABUSE_INJURY = "MR4_ABUSE_INJURY"
    MR5_ABNORMAL_HARM = "MR5_ABNORMAL_HARM"
    MR6_ABANDONED = "MR6_ABANDONED"
    MR7_MISSING_TRAFFICKED = "MR7_MISSING_TRAFFICKED"
    MR8_BEGGING = "MR8_BEGGING"
    MR9_OTHER_OR_IMMINENT = "MR9_OTHER_OR_IMMINENT"
    GC1_NEGLECT = "GC1_NEGLECT"
    GC2_NO_GUARDIAN = "GC2_NO_GUARDIAN"
    GC3_LIVING_ALONE = "GC3_LIVING_ALONE"
    GC4_IMPROPER_GUARDIANSHIP = "GC4_IMPROPER_GUARDIANSHIP"
    GC5_DROPOUT = "GC5_DROPOUT"
    GC6_SCHOOL_BULLYING = "GC6_SCHOOL_BULLYING"
    GC7_SUDDEN_EVENT = "GC7_SUDDEN_EVENT"


class Answer(StrEnum):
    """Yes, no, or unknown; unknown is always a legal answer."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


class Danger(StrEnum):
    """The danger questions of a report, each answered yes / no / unknown."""

    DANGER_NOW = "danger_now"
    NEEDS_MEDICAL_NOW = "needs_medical_now"
    UNCONSCIOUS = "unconscious"
    PERPETRATOR_HAS_ACCESS = "perpetrator_has_access"
    CHILD_ALONE = "child_alone"
    UNDER_8 = "under_8"
    SUICIDE_RISK = "suicide_risk"
    WEAPON = "weapon"
    EVIDENCE_PERISHABLE = "evidence_perishable"


class AgeBand(StrEnum):
    """A child's age as far as an event may tell it."""

    UNDER_8 = "under_8"
    FROM_8_TO_13 = "8_13"
    FROM_14_TO_17 = "14_17"
    UNKNOWN = "unknown"


class Channel(StrEnum):
    """How a report came in."""

    HOTLINE = "hotline"
    WEB = "web"
    SCHOOL_API = "school_api"
    HOSPITAL_API = "hospital_api"
    IN_PERSON = "in_person"
    SMS = "sms"
    BULK = "bulk"


class DeclineReason(StrEnum):
    """Why an assigned officer cannot take a case."""

    NOT_MY_AREA = "not_my_area"
    CONFLICT_OF_INTEREST = "conflict_of_interest"
    UNAVAILABLE = "unavailable"
    OTHER = "other"


class Department(StrEnum):
    """Departments that answer for a matter by its subject (属事属管), beside the ladder of its place (rules.yaml departments)."""

    POLICE = "police"
    PROCURATORATE = "procuratorate"
    CIVIL = "civil"
    EDUCATION = "education"
    HEALTH = "health"
    WOMEN = "women"
    JUSTICE = "justice"
    COURT = "court"
    LEAGUE = "league"
    DISABLED = "disabled"
    HR = "hr"
    MARKET = "market"
    CYBER = "cyber"
    SUPERVISION = "supervision"
    FAMILY_COMMITTEE = "family_committee"
    CHARITY = "charity"


class LaneResult(StrEnum):
    """What a department has done about a case: a code, since free text might name a child (promise 7)."""

    FILED = "filed"
    NOT_FILED = "not_filed"
    HELPED = "helped"
    HANDED_ON = "handed_on"
    NOTHING_TO_DO = "nothing_to_do"


class TransferReason(StrEnum):
    """Why a case is to be answered for elsewhere."""

    CHILD_IS_THERE = "child_is_there"
    HOUSEHOLD_THERE = "household_there"
    """有户籍的联系流出地 (SEED_X 安置)."""
    FAMILY_THERE = "family_there"
    OTHER = "other"


class PlacementNeed(StrEnum):
    """Why a child has to live elsewhere for now (ADVL art 15; UMPL arts 92-93)."""

    NO_CARE = "no_care"
    GUARDIAN_IS_DANGER = "guardian_is_danger"


class Household(StrEnum):
    """Where the child's household is registered (户籍): it decides who is asked for a placement (SEED_X X12)."""

    LOCAL = "local"
    ELSEWHERE = "elsewhere"
    NONE = "none"
    UNKNOWN = "unknown"


class ConflictReason(StrEnum):
    """Why a post must not deal with a case (回避; rules.yaml skip_if_conflict)."""

    SUSPECT_HOLDS = "suspect_holds"
    """The suspected person is on this post."""
    SUSPECT_UNIT = "suspect_unit"
    """It belongs to the unit in which the suspected person works."""
    SUSPECT_MANAGER = "suspect_manager"
    """It manages the suspected person."""
    OTHER = "other"


class CloseResult(StrEnum):
    """How a case ended; no case closes without one (SEED_F 事事有回音、件件有落实)."""

    CHILD_SAFE = "child_safe"
    PLACED = "placed"
    UNDER_PROTECTION_PLAN = "under_protection_plan"
    HANDED_TO_POLICE = "handed_to_police"
    TRANSFERRED = "transferred"
    UNFOUNDED = "unfounded"
    DUPLICATE = "duplicate"


class Purpose(StrEnum):
    """What a notification wants from the officer: the SMS template (rules.yaml sms.templates)."""

    ASSIGN = "assign"
    REMIND = "remind"
    ESCALATE = "escalate"
    RECALL = "recall"
    SUPERVISE = "supervise"
    OVERDUE = "overdue"
    INFORM = "inform"
    """A department gets a copy (通报)."""
    REFER = "refer"
    """A department is to accept the matter (转介)."""
    LAPSED = "lapsed"
    """A department's clock has passed; nothing is enforced."""
    TRANSFER = "transfer"
    """Another area is to accept the case."""
    RETURNED = "returned"
    """Another area did not accept the case."""
    TO_AND_FRO = "to_and_fro"
    """A case is handed to and fro; whoever supervises has to settle it."""
