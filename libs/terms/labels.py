"""What the standard terms are called, in Chinese and English. The Chinese words are those of the sources in the domain rules."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from libs.directory.roles import POST_ROLES
from libs.terms import (
    AgeBand,
    Answer,
    Channel,
    CloseResult,
    ConflictReason,
    Danger,
    DeclineReason,
    Department,
    Grade,
    Household,
    LaneResult,
    PlacementNeed,
    Purpose,
    Situation,
    Step,
    Tier,
    TransferReason,
    beside,
)
from libs.terms.label import Label


def label(term: StrEnum, locale: str | None = None) -> str:
    """What a term is called: a grade, a tier, a step, a danger …; a situation's short name."""
    return _TERMS[type(term)][term].text(locale)


def code_label(kind: str, code: str, locale: str | None = None) -> str:
    """What a code is called that is no enum: `kind` is a key of CODES, `role` for a post's role, or the name of an enum (`grade`).

    An unknown code is its own label: data from elsewhere, or from a newer version, must not break a page.
    """
    if kind == "role":
        role = POST_ROLES.get(code)
        return Label(role.zh, role.en).text(locale) if role else code
    found = CODES.get(kind, {}).get(code) or _ENUMS.get(kind, {}).get(code)
    return found.text(locale) if found else code


def situation_text(situation: Situation, locale: str | None = None) -> str:
    """The full wording of a situation: for the nine, that of OPINION2020 art 4."""
    return SITUATIONS[situation].text(locale)


GRADE_COLOURS: Final[Mapping[Grade, str]] = {Grade.I: "red", Grade.II: "orange", Grade.III: "yellow", Grade.IV: "blue"}
"""By analogy with the four warning colours 红橙黄蓝 (Emergency Response Law art 63). Never shown without numeral and word."""

GRADE_URGENCY: Final[Mapping[Grade, Label]] = {
    Grade.I: Label("特别紧急", "most urgent"),
    Grade.II: Label("紧急", "urgent"),
    Grade.III: Label("较急", "pressing"),
    Grade.IV: Label("一般", "ordinary"),
}

SITUATIONS: Final[Mapping[Situation, Label]] = {
    Situation.MR1_GENITAL_INJURY: Label(
        "未成年人的生殖器官或隐私部位遭受或疑似遭受非正常损伤的",
        "Abnormal injury (or suspected) to genitals or private parts",
    ),
    Situation.MR2_U14_SEXUAL: Label(
        "不满十四周岁的女性未成年人遭受或疑似遭受性侵害、怀孕、流产的",
        "Girl under 14 sexually assaulted (or suspected), pregnant or miscarried/aborted",
    ),
    Situation.MR3_O14_SEXUAL: Label(
        "十四周岁以上女性未成年人遭受或疑似遭受性侵害所致怀孕、流产的",
        "Girl 14+ pregnant or miscarried/aborted because of (suspected) sexual assault",
    ),
    Situation.MR4_ABUSE_INJURY: Label(
        "未成年人身体存在多处损伤、严重营养不良、意识不清，存在或疑似存在受到家庭暴力、欺凌、虐待、殴打或者被人麻醉等情形的",
        "Multiple injuries, severe malnutrition or impaired consciousness with (suspected) domestic violence, bullying, abuse, beating "
        "or drugging",
    ),
    Situation.MR5_ABNORMAL_HARM: Label(
        "未成年人因自杀、自残、工伤、中毒、被人麻醉、殴打等非正常原因导致伤残、死亡情形的",
        "Disability, injury or death from suicide, self-harm, work injury, poisoning, drugging, beating or other abnormal cause",
    ),
    Situation.MR6_ABANDONED: Label("未成年人被遗弃或长期处于无人照料状态的", "Abandoned or long left without care"),
    Situation.MR7_MISSING_TRAFFICKED: Label(
        "发现未成年人来源不明、失踪或者被拐卖、收买的", "Of unknown origin, missing, trafficked or bought"
    ),
    Situation.MR8_BEGGING: Label("发现未成年人被组织乞讨的", "Organised into begging"),
    Situation.MR9_OTHER_OR_IMMINENT: Label(
        "其他严重侵害未成年人身心健康的情形或未成年人正在面临不法侵害危险的",
        "Other serious harm or present danger of unlawful harm",
    ),
    Situation.GC1_NEGLECT: Label("经常性忽视", "Repeatedly neglected"),
    Situation.GC2_NO_GUARDIAN: Label("监护缺失", "No guardian who cares for the child"),
    Situation.GC3_LIVING_ALONE: Label(
        "未满十六周岁脱离监护单独生活（独居、半独居）", "Under 16 and living alone, or half alone, without a guardian"
    ),
    Situation.GC4_IMPROPER_GUARDIANSHIP: Label("监护失当", "Improper guardianship"),
    Situation.GC5_DROPOUT: Label("失学辍学", "Out of school"),
    Situation.GC6_SCHOOL_BULLYING: Label("学生欺凌", "Bullied by fellow students"),
    Situation.GC7_SUDDEN_EVENT: Label("突发事件造成监护缺失", "Without a guardian because of a sudden event"),
}
"""The nine situations in the law's wording and the guardianship situations, in the order of the checklist."""

_TERMS: Final[Mapping[type[StrEnum], Mapping[str, Label]]] = {
    Grade: {
        Grade.I: Label("Ⅰ级", "Grade I"),
        Grade.II: Label("Ⅱ级", "Grade II"),
        Grade.III: Label("Ⅲ级", "Grade III"),
        Grade.IV: Label("Ⅳ级", "Grade IV"),
    },
    Tier: {
        Tier.GRID: Label("网格", "Grid"),
        Tier.COMMUNITY: Label("社区", "Community"),
        Tier.STREET: Label("街道", "Street"),
        Tier.DISTRICT: Label("区", "District"),
        Tier.CITY: Label("市", "City"),
    },
    Step: {
        Step.DISPATCH: Label("派单", "Dispatch"),
        Step.ACKNOWLEDGE: Label("签收", "Acknowledge"),
        Step.ON_SITE: Label("到场", "On site"),
        Step.FIRST_WRITTEN_UP: Label("首次反馈", "First written account"),
        Step.ASSESSMENT: Label("评估", "Assessment"),
        Step.CASE_CONFERENCE: Label("个案会商", "Case conference"),
        Step.CLOSE: Label("办结", "Close"),
        Step.POLICE_LINKED: Label("公安衔接", "Police linked"),
        Step.REPORTER_INFORMED: Label("回复报告人", "Reporter informed"),
        Step.REPORTER_PROCEDURE: Label("告知报告人受理情况", "Reporter told of the procedure"),
        Step.VISIT: Label("回访", "Follow-up visit"),
    },
    Situation: {
        Situation.MR1_GENITAL_INJURY: Label("隐私部位损伤", "Injury to private parts"),
        Situation.MR2_U14_SEXUAL: Label("不满十四周岁女童性侵、怀孕、流产", "Sexual assault or pregnancy, girl under 14"),
        Situation.MR3_O14_SEXUAL: Label("十四周岁以上女性性侵致怀孕、流产", "Pregnancy by sexual assault, girl 14+"),
        Situation.MR4_ABUSE_INJURY: Label("家暴、虐待、殴打致伤", "Injuries from abuse or violence"),
        Situation.MR5_ABNORMAL_HARM: Label("自杀自残等非正常伤残、死亡", "Harm or death from an abnormal cause"),
        Situation.MR6_ABANDONED: Label("遗弃或长期无人照料", "Abandoned or without care"),
        Situation.MR7_MISSING_TRAFFICKED: Label("来源不明、失踪、被拐卖", "Missing or trafficked"),
        Situation.MR8_BEGGING: Label("被组织乞讨", "Organised begging"),
        Situation.MR9_OTHER_OR_IMMINENT: Label("其他严重侵害或正面临危险", "Other serious harm or present danger"),
        Situation.GC1_NEGLECT: Label("经常性忽视", "Chronic neglect"),
        Situation.GC2_NO_GUARDIAN: Label("监护缺失", "Absence of guardianship"),
        Situation.GC3_LIVING_ALONE: Label("（半）独居", "Living alone"),
        Situation.GC4_IMPROPER_GUARDIANSHIP: Label("监护失当", "Improper guardianship"),
        Situation.GC5_DROPOUT: Label("失学辍学", "Out of school"),
        Situation.GC6_SCHOOL_BULLYING: Label("学生欺凌", "School bullying"),
        Situation.GC7_SUDDEN_EVENT: Label("突发事件致监护缺失", "Guardian lost to a sudden event"),
    },
    Answer: {
        Answer.YES: Label("是", "Yes"),
        Answer.NO: Label("否", "No"),
        Answer.UNKNOWN: Label("不清楚", "Not known"),
    },
    Danger: {
        Danger.DANGER_NOW: Label("正处于危险之中", "In danger right now"),
        Danger.NEEDS_MEDICAL_NOW: Label("需要立即就医", "Needs medical help now"),
        Danger.UNCONSCIOUS: Label("意识不清", "Unconscious"),
        Danger.PERPETRATOR_HAS_ACCESS: Label("涉嫌侵害人仍可接触孩子", "Suspected person can still reach the child"),
        Danger.CHILD_ALONE: Label("孩子独自一人", "Child is alone"),
        Danger.UNDER_8: Label("不满八周岁", "Under 8 years old"),
        Danger.SUICIDE_RISK: Label("有自杀风险", "Risk of suicide"),
        Danger.WEAPON: Label("现场有凶器", "A weapon is involved"),
        Danger.EVIDENCE_PERISHABLE: Label("证据可能灭失", "Evidence may be lost soon"),
    },
    AgeBand: {
        AgeBand.UNDER_8: Label("不满8周岁", "Under 8"),
        AgeBand.FROM_8_TO_13: Label("8至13周岁", "8 to 13"),
        AgeBand.FROM_14_TO_17: Label("14至17周岁", "14 to 17"),
        AgeBand.UNKNOWN: Label("年龄不清楚", "Age not known"),
    },
    Channel: {
        Channel.HOTLINE: Label("热线", "Hotline"),
        Channel.WEB: Label("网页", "Web page"),
        Channel.SCHOOL_API: Label("学校系统", "School system"),
        Channel.HOSPITAL_API: Label("医院系统", "Hospital system"),
        Channel.IN_PERSON: Label("当面", "In person"),
        Channel.SMS: Label("短信", "Text message"),
        Channel.BULK: Label("批量导入", "Bulk import"),
    },
    DeclineReason: {
        DeclineReason.NOT_MY_AREA: Label("不属于本辖区", "Not my area"),
        DeclineReason.CONFLICT_OF_INTEREST: Label("需要回避", "Conflict of interest"),
        DeclineReason.UNAVAILABLE: Label("暂时无法处理", "Not available"),
        DeclineReason.OTHER: Label("其他", "Other"),
    },
    CloseResult: {
        CloseResult.CHILD_SAFE: Label("孩子安全", "Child is safe"),
        CloseResult.PLACED: Label("已安置", "Placed"),
        CloseResult.UNDER_PROTECTION_PLAN: Label("已纳入保护计划", "Under a protection plan"),
        CloseResult.HANDED_TO_POLICE: Label("已移交公安机关", "Handed to the police"),
        CloseResult.TRANSFERRED: Label("已转介移送", "Transferred"),
        CloseResult.UNFOUNDED: Label("经核查不属实", "Checked and unfounded"),
        CloseResult.DUPLICATE: Label("重复报告", "Duplicate"),
    },
    Purpose: {
        Purpose.ASSIGN: Label("派单", "Assign"),
        Purpose.REMIND: Label("催办", "Remind"),
        Purpose.ESCALATE: Label("升级上报", "Escalate"),
        Purpose.RECALL: Label("已由他人签收", "Recall"),
        Purpose.SUPERVISE: Label("督办", "Supervise"),
        Purpose.OVERDUE: Label("超时", "Overdue"),
        Purpose.INFORM: Label("通报部门", "Copy to a department"),
        Purpose.REFER: Label("转部门办理", "Referred to a department"),
        Purpose.LAPSED: Label("部门时限已过", "Department's clock passed"),
        Purpose.TRANSFER: Label("移交待接收", "Transfer to be accepted"),
        Purpose.RETURNED: Label("移交退回", "Transfer returned"),
        Purpose.TO_AND_FRO: Label("多次移交退回", "Handed to and fro"),
    },
    Department: beside.DEPARTMENTS,
    LaneResult: beside.LANE_RESULTS,
    TransferReason: beside.TRANSFER_REASONS,
    PlacementNeed: beside.PLACEMENT_NEEDS,
    Household: beside.HOUSEHOLDS,
    ConflictReason: beside.CONFLICT_REASONS,
}

_ENUMS: Final[Mapping[str, Mapping[str, Label]]] = {
    "grade": _TERMS[Grade],
    "tier": _TERMS[Tier],
    "step": _TERMS[Step],
    "situation": _TERMS[Situation],
    "answer": _TERMS[Answer],
    "danger": _TERMS[Danger],
    "age_band": _TERMS[AgeBand],
    "channel": _TERMS[Channel],
    "decline_reason": _TERMS[DeclineReason],
    "close_result": _TERMS[CloseResult],
    "purpose": _TERMS[Purpose],
    "department": _TERMS[Department],
    "lane_result": _TERMS[LaneResult],
    "transfer_reason": _TERMS[TransferReason],
    "placement_need": _TERMS[PlacementNeed],
    "household": _TERMS[Household],
    "conflict_reason": _TERMS[ConflictReason],
}

CODES: Final[Mapping[str, Mapping[str, Label]]] = {
    "level": {
        "province": Label("省", "Province"),
        "city": Label("市", "City"),
        "district": Label("区县", "District"),
        "street": Label("街道", "Street"),
        "community": Label("社区", "Community"),
        "grid": Label("网格", "Grid"),
    },
    "staff_role": {
        "operator": Label("话务员", "Operator"),
        "officer": Label("责任人员", "Officer"),
        "supervisor": Label("督导", "Supervisor"),
        "auditor": Label("审计员", "Auditor"),
        "admin": Label("管理员", "Administrator"),
    },
    "reporter": {
        "teacher": Label("教师", "Teacher"),
        "school_staff": Label("学校工作人员", "School staff"),
        "school_social_worker": Label("驻校社工", "School social worker"),
        "doctor": Label("医生", "Doctor"),
        "nurse": Label("护士", "Nurse"),
        "social_worker": Label("社会工作者", "Social worker"),
        "child_welfare_org": Label("儿童福利机构", "Child welfare organisation"),
        "community_committee": Label("居（村）民委员会", "Residents' or villagers' committee"),
        "police": Label("民警", "Police"),
        "hotel": Label("旅店、宾馆", "Hotel"),
        "transport": Label("交通运输", "Transport"),
        "neighbour": Label("邻居", "Neighbour"),
        "relative": Label("亲属", "Relative"),
        "parent": Label("父母", "Parent"),
        "child_self": Label("孩子本人", "The child"),
        "anonymous": Label("匿名", "Anonymous"),
        "other": Label("其他", "Other"),
    },
    "unit": {
        "committee": Label("居（村）民委员会", "Residents' or villagers' committee"),
        "school": Label("中小学校", "School"),
        "kindergarten": Label("幼儿园", "Kindergarten"),
        "training": Label("校外培训机构", "Tutoring institution"),
        "activity_venue": Label("未成年人校外活动场所", "Activity venue"),
        "school_bus": Label("校车服务提供者", "School bus"),
        "childcare": Label("托育服务机构", "Childcare"),
        "early_education": Label("早期教育服务机构", "Early education"),
        "after_school_care": Label("校外托管、临时看护机构", "After-school care"),
        "domestic_service": Label("家政服务机构", "Domestic service"),
        "medical": Label("医疗机构", "Medical institution"),
        "welfare": Label("儿童福利机构", "Child welfare institution"),
        "relief": Label("救助管理机构", "Relief institution"),
        "protection_agency": Label("未成年人救助保护机构", "Child protection agency"),
        "social_work": Label("社会工作服务机构", "Social work agency"),
        "lodging": Label("旅店、宾馆等住宿经营者", "Lodging"),
        "state_organ": Label("国家机关及公职人员", "State organ"),
    },
    "confidentiality": {
        "named": Label("实名", "Named"),
        "confidential": Label("保密", "Confidential"),
        "anonymous": Label("匿名", "Anonymous"),
    },
    "sex": {"male": Label("男", "Male"), "female": Label("女", "Female"), "unknown": Label("不清楚", "Not known")},
    "living_situation": {
        "parents": Label("与父母同住", "With parents"),
        "one_parent": Label("与父或母一方同住", "With one parent"),
        "relatives": Label("与亲属同住", "With relatives"),
        "left_behind": Label("留守", "Left behind"),
        "foster": Label("家庭寄养", "Foster care"),
        "institution": Label("机构照料", "Institution"),
        "boarding": Label("寄宿", "Boarding"),
        "street": Label("流落街头", "On the street"),
        "alone": Label("独居", "Alone"),
        "unknown": Label("不清楚", "Not known"),
    },
    "harm": {
        "physical": Label("身体伤害", "Physical"),
        "sexual": Label("性侵害", "Sexual"),
        "emotional": Label("精神伤害", "Emotional"),
        "neglect": Label("忽视", "Neglect"),
        "medical_neglect": Label("医疗忽视", "Medical neglect"),
        "abandonment": Label("遗弃", "Abandonment"),
        "exploitation": Label("剥削利用", "Exploitation"),
        "labour": Label("使用童工", "Child labour"),
        "trafficking": Label("拐卖", "Trafficking"),
        "online_sexual": Label("网络性侵害", "Online sexual harm"),
        "bullying": Label("欺凌", "Bullying"),
        "domestic_violence_exposure": Label("目睹家庭暴力", "Exposure to domestic violence"),
        "missing": Label("失踪", "Missing"),
        "self_harm_suicide": Label("自残自杀", "Self-harm or suicide"),
        "underage_pregnancy": Label("低龄怀孕", "Underage pregnancy"),
        "unexplained_injury_or_death": Label("原因不明的伤亡", "Unexplained injury or death"),
        "head_or_organ_injury": Label("头部或内脏受伤", "Injury to the head or an organ"),
        "no_food_or_shelter": Label("没有食物或住处", "Without food or shelter"),
        "other": Label("其他", "Other"),
    },
    "frequency": {
        "once": Label("一次", "Once"),
        "repeated": Label("多次", "Repeated"),
        "ongoing": Label("持续", "Ongoing"),
        "unknown": Label("不清楚", "Not known"),
    },
    "setting": {
        "home": Label("家庭", "Home"),
        "school": Label("学校", "School"),
        "street": Label("街头", "Street"),
        "online": Label("网络", "Online"),
        "institution": Label("机构", "Institution"),
        "hotel": Label("旅店、宾馆", "Hotel"),
        "workplace": Label("工作场所", "Workplace"),
        "other": Label("其他", "Other"),
    },
    "relation": {
        "parent": Label("父母", "Parent"),
        "step_parent": Label("继父母", "Step-parent"),
        "relative": Label("亲属", "Relative"),
        "teacher": Label("教师", "Teacher"),
        "peer": Label("同学、同伴", "Peer"),
        "neighbour": Label("邻居", "Neighbour"),
        "employer": Label("雇主", "Employer"),
        "stranger": Label("陌生人", "Stranger"),
        "online": Label("网络结识", "Met online"),
        "institution_staff": Label("机构工作人员", "Institution staff"),
        "unknown": Label("不清楚", "Not known"),
        "mother": Label("母亲", "Mother"),
        "father": Label("父亲", "Father"),
        "grandparent": Label("祖父母、外祖父母", "Grandparent"),
        "foster_parent": Label("寄养父母", "Foster parent"),
        "other": Label("其他", "Other"),
    },
    "person_age": {
        "under_14": Label("不满14周岁", "Under 14"),
        "14_17": Label("14至17周岁", "14 to 17"),
        "adult": Label("成年人", "Adult"),
    },
    "category": {
        "mental_disorder": Label("精神障碍", "Mental disorder"),
        "intellectual_disability": Label("智力障碍", "Intellectual disability"),
        "serious_illness": Label("重病", "Serious illness"),
        "orphan": Label("孤儿", "Orphan"),
        "parent_in_prison": Label("父母服刑", "Parent in prison"),
        "single_parent": Label("单亲", "Single parent"),
        "street_begging": Label("流浪乞讨", "Street begging"),
        "domestic_violence": Label("家暴", "Domestic violence"),
        "chronic_neglect": Label("经常性忽视", "Chronic neglect"),
        "abandoned": Label("遗弃", "Abandoned"),
        "trafficked": Label("被拐卖", "Trafficked"),
        "poverty": Label("贫困", "Poverty"),
        "hiv_affected": Label("受艾滋病影响", "Affected by HIV"),
        "left_behind": Label("留守未成年人", "Left-behind child"),
        "dropout": Label("失学辍学", "Out of school"),
        "migrant": Label("流动未成年人", "Migrant child"),
        "illegal_employment": Label("非法雇佣", "Illegally employed"),
        "used_for_crime": Label("被利用违法", "Used for crime"),
        "de_facto_unattended": Label("事实无人抚养", "De facto unattended"),
        "guardian_drug_use": Label("监护人吸毒", "Guardian uses drugs"),
        "guardian_seriously_ill_or_disabled": Label("监护人重病重残", "Guardian seriously ill or disabled"),
        "seriously_ill_or_disabled": Label("自身重病重残", "Seriously ill or disabled"),
        "orphan_without_parents": Label("无双亲孤儿", "Orphan without parents"),
        "living_alone": Label("（半）独居", "Living alone"),
    },
}
"""Codes of the intake model and the directory that are data rather than enums; categories: the fourteen of SEED_Z and the extra ones."""
