"""The codes that a report is filled in with (intake-model.md), each with `unknown` where somebody may not know."""

from enum import StrEnum


class ReporterCategory(StrEnum):
    """Who reports, by the part they play for the child."""

    TEACHER = "teacher"
    SCHOOL_STAFF = "school_staff"
    SCHOOL_SOCIAL_WORKER = "school_social_worker"
    DOCTOR = "doctor"
    NURSE = "nurse"
    SOCIAL_WORKER = "social_worker"
    CHILD_WELFARE_ORG = "child_welfare_org"
    COMMUNITY_COMMITTEE = "community_committee"
    POLICE = "police"
    HOTEL = "hotel"
    TRANSPORT = "transport"
    NEIGHBOUR = "neighbour"
    RELATIVE = "relative"
    PARENT = "parent"
    CHILD_SELF = "child_self"
    ANONYMOUS = "anonymous"
    OTHER = "other"


MANDATED_CATEGORIES = frozenset(
    {
        ReporterCategory.TEACHER,
        ReporterCategory.SCHOOL_STAFF,
        ReporterCategory.SCHOOL_SOCIAL_WORKER,
        ReporterCategory.DOCTOR,
        ReporterCategory.NURSE,
        ReporterCategory.SOCIAL_WORKER,
        ReporterCategory.CHILD_WELFARE_ORG,
        ReporterCategory.COMMUNITY_COMMITTEE,
        ReporterCategory.POLICE,
        ReporterCategory.HOTEL,
        ReporterCategory.TRANSPORT,
    }
)
"""Those whom the law obliges by their work (OPINION2020 art 3; UMPL art 130)."""


class ReporterUnit(StrEnum):
    """The units that must report (OPINION2020 art 3, UMPL art 130)."""

    COMMITTEE = "committee"
    SCHOOL = "school"
    KINDERGARTEN = "kindergarten"
    TRAINING = "training"
    ACTIVITY_VENUE = "activity_venue"
    SCHOOL_BUS = "school_bus"
    CHILDCARE = "childcare"
    EARLY_EDUCATION = "early_education"
    AFTER_SCHOOL_CARE = "after_school_care"
    DOMESTIC_SERVICE = "domestic_service"
    MEDICAL = "medical"
    WELFARE = "welfare"
    RELIEF = "relief"
    PROTECTION_AGENCY = "protection_agency"
    SOCIAL_WORK = "social_work"
    LODGING = "lodging"
    STATE_ORGAN = "state_organ"


class Confidentiality(StrEnum):
    """How far the reporter's name may go (ADVL art 14; OPINION2020 art 10)."""

    NAMED = "named"
    CONFIDENTIAL = "confidential"
    ANONYMOUS = "anonymous"


class Sex(StrEnum):
    MALE = "male"
    FEMALE = "female"
    UNKNOWN = "unknown"


class LivingSituation(StrEnum):
    """With whom the child lives."""

    PARENTS = "parents"
    ONE_PARENT = "one_parent"
    RELATIVES = "relatives"
    LEFT_BEHIND = "left_behind"
    FOSTER = "foster"
    INSTITUTION = "institution"
    BOARDING = "boarding"
    STREET = "street"
    ALONE = "alone"
    UNKNOWN = "unknown"


class HarmType(StrEnum):
    """What is said to have been done to the child."""

    PHYSICAL = "physical"
    SEXUAL = "sexual"
    EMOTIONAL = "emotional"
    NEGLECT = "neglect"
    MEDICAL_NEGLECT = "medical_neglect"
    ABANDONMENT = "abandonment"
    EXPLOITATION = "exploitation"
    LABOUR = "labour"
    TRAFFICKING = "trafficking"
    ONLINE_SEXUAL = "online_sexual"
    BULLYING = "bullying"
    DOMESTIC_VIOLENCE_EXPOSURE = "domestic_violence_exposure"
    MISSING = "missing"
    SELF_HARM_SUICIDE = "self_harm_suicide"
    UNDERAGE_PREGNANCY = "underage_pregnancy"
    UNEXPLAINED_INJURY_OR_DEATH = "unexplained_injury_or_death"
    HEAD_OR_ORGAN_INJURY = "head_or_organ_injury"
    NO_FOOD_OR_SHELTER = "no_food_or_shelter"
    OTHER = "other"
    UNKNOWN = "unknown"


class Frequency(StrEnum):
    ONCE = "once"
    REPEATED = "repeated"
    ONGOING = "ongoing"
    UNKNOWN = "unknown"


class Setting(StrEnum):
    """Where it happened."""

    HOME = "home"
    SCHOOL = "school"
    STREET = "street"
    ONLINE = "online"
    INSTITUTION = "institution"
    HOTEL = "hotel"
    WORKPLACE = "workplace"
    OTHER = "other"
    UNKNOWN = "unknown"


class CaregiverRelation(StrEnum):
    PARENT = "parent"
    MOTHER = "mother"
    FATHER = "father"
    STEP_PARENT = "step_parent"
    GRANDPARENT = "grandparent"
    RELATIVE = "relative"
    FOSTER_PARENT = "foster_parent"
    INSTITUTION_STAFF = "institution_staff"
    OTHER = "other"
    UNKNOWN = "unknown"


class AllegedRelation(StrEnum):
    """What an alleged person is to the child; an identified person is never required."""

    PARENT = "parent"
    STEP_PARENT = "step_parent"
    RELATIVE = "relative"
    TEACHER = "teacher"
    PEER = "peer"
    NEIGHBOUR = "neighbour"
    EMPLOYER = "employer"
    STRANGER = "stranger"
    ONLINE = "online"
    INSTITUTION_STAFF = "institution_staff"
    UNKNOWN = "unknown"


class PersonAgeBand(StrEnum):
    """Of an alleged person: below 14 and below 18 the law treats them otherwise."""

    UNDER_14 = "under_14"
    FROM_14_TO_17 = "14_17"
    ADULT = "adult"
    UNKNOWN = "unknown"


class Category(StrEnum):
    """Why a child may need help apart from the situations: the fourteen of SEED_Z and the further ones of rules.yaml."""

    MENTAL_DISORDER = "mental_disorder"
    INTELLECTUAL_DISABILITY = "intellectual_disability"
    SERIOUS_ILLNESS = "serious_illness"
    ORPHAN = "orphan"
    PARENT_IN_PRISON = "parent_in_prison"
    SINGLE_PARENT = "single_parent"
    STREET_BEGGING = "street_begging"
    DOMESTIC_VIOLENCE = "domestic_violence"
    CHRONIC_NEGLECT = "chronic_neglect"
    ABANDONED = "abandoned"
    TRAFFICKED = "trafficked"
    POVERTY = "poverty"
    HIV_AFFECTED = "hiv_affected"
    LEFT_BEHIND = "left_behind"
    DROPOUT = "dropout"
    MIGRANT = "migrant"
    ILLEGAL_EMPLOYMENT = "illegal_employment"
    USED_FOR_CRIME = "used_for_crime"
    DE_FACTO_UNATTENDED = "de_facto_unattended"
    GUARDIAN_DRUG_USE = "guardian_drug_use"
    GUARDIAN_SERIOUSLY_ILL_OR_DISABLED = "guardian_seriously_ill_or_disabled"
    SERIOUSLY_ILL_OR_DISABLED = "seriously_ill_or_disabled"
    ORPHAN_WITHOUT_PARENTS = "orphan_without_parents"
    LIVING_ALONE = "living_alone"
