"""What the terms of departments, transfers, placements and conflicts of interest are called; `labels` puts them with the others."""

from collections.abc import Mapping
from typing import Final

from libs.terms import ConflictReason, Department, Household, LaneResult, PlacementNeed, TransferReason
from libs.terms.label import Label

DEPARTMENTS: Final[Mapping[str, Label]] = {
    Department.POLICE: Label("公安机关", "Police"),
    Department.PROCURATORATE: Label("人民检察院", "Procuratorate"),
    Department.CIVIL: Label("民政部门", "Civil affairs"),
    Department.EDUCATION: Label("教育行政部门", "Education"),
    Department.HEALTH: Label("卫生健康主管部门", "Health"),
    Department.WOMEN: Label("妇女联合会", "Women's federation"),
    Department.JUSTICE: Label("司法行政部门", "Justice administration"),
    Department.COURT: Label("人民法院", "Court"),
    Department.LEAGUE: Label("共青团", "Youth league"),
    Department.DISABLED: Label("残联", "Disabled persons' federation"),
    Department.HR: Label("人力资源社会保障部门", "Labour and social security"),
    Department.MARKET: Label("市场监督管理部门", "Market regulation"),
    Department.CYBER: Label("网信部门", "Cyberspace administration"),
    Department.SUPERVISION: Label("监察委员会", "Supervisory commission"),
    Department.FAMILY_COMMITTEE: Label("关工委", "Committee for the care of the next generation"),
    Department.CHARITY: Label("慈善总会", "Charity federation"),
}
LANE_RESULTS: Final[Mapping[str, Label]] = {
    LaneResult.FILED: Label("已立案", "Case filed"),
    LaneResult.NOT_FILED: Label("不予立案", "Not filed"),
    LaneResult.HELPED: Label("已提供帮扶", "Help given"),
    LaneResult.HANDED_ON: Label("已转交他处", "Handed on"),
    LaneResult.NOTHING_TO_DO: Label("无需办理", "Nothing to do"),
}
TRANSFER_REASONS: Final[Mapping[str, Label]] = {
    TransferReason.CHILD_IS_THERE: Label("未成年人在该地", "The child is there"),
    TransferReason.HOUSEHOLD_THERE: Label("户籍在该地", "The household is registered there"),
    TransferReason.FAMILY_THERE: Label("监护人或亲属在该地", "The family is there"),
    TransferReason.OTHER: Label("其他", "Other"),
}
PLACEMENT_NEEDS: Final[Mapping[str, Label]] = {
    PlacementNeed.NO_CARE: Label("无人照料", "Nobody cares for the child"),
    PlacementNeed.GUARDIAN_IS_DANGER: Label("监护人构成危险", "The guardian is the danger"),
}
HOUSEHOLDS: Final[Mapping[str, Label]] = {
    Household.LOCAL: Label("本地户籍", "Registered here"),
    Household.ELSEWHERE: Label("外地户籍", "Registered elsewhere"),
    Household.NONE: Label("无户籍", "Not registered anywhere"),
    Household.UNKNOWN: Label("户籍不明", "Registration unknown"),
}
CONFLICT_REASONS: Final[Mapping[str, Label]] = {
    ConflictReason.SUSPECT_HOLDS: Label("涉嫌人员任此岗位", "The suspected person is on it"),
    ConflictReason.SUSPECT_UNIT: Label("涉嫌人员所在单位", "The suspected person's unit"),
    ConflictReason.SUSPECT_MANAGER: Label("涉嫌人员的主管", "Manages the suspected person"),
    ConflictReason.OTHER: Label("其他", "Other"),
}
