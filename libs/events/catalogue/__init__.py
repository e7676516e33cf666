"""Every event of Tocsin, one file per emitting service. Ids, codes, times and division codes only (promise 7)."""

from libs.events.catalogue.directory import DirectoryChanged
from libs.events.catalogue.intake import ReportReceived, ReportViewed
from libs.events.catalogue.notifier import (
    NotificationDelivered,
    NotificationFailed,
    NotificationSubmitted,
    OfficerReplied,
)
from libs.events.catalogue.router import (
    AcknowledgementStale,
    CaseAcknowledged,
    CaseAssigned,
    CaseClosed,
    CaseDeclined,
    CaseEscalated,
    CaseOpened,
    CasePlaced,
    CaseRegraded,
    CaseReportAttached,
    CaseStepDone,
    CaseSupervised,
    DeadlineMissed,
    DeadlineReminded,
    MonthlyReportDue,
    NotificationRequested,
)
from libs.events.catalogue.router_policies import CasePolicyChanged, PolicyAdded, PolicyBound, PolicyMoveOrdered, PolicyUnbound

__all__ = [
    "AcknowledgementStale",
    "CaseAcknowledged",
    "CaseAssigned",
    "CaseClosed",
    "CaseDeclined",
    "CaseEscalated",
    "CaseOpened",
    "CasePlaced",
    "CasePolicyChanged",
    "CaseRegraded",
    "CaseReportAttached",
    "CaseStepDone",
    "CaseSupervised",
    "DeadlineMissed",
    "DeadlineReminded",
    "DirectoryChanged",
    "MonthlyReportDue",
    "NotificationDelivered",
    "NotificationFailed",
    "NotificationRequested",
    "NotificationSubmitted",
    "OfficerReplied",
    "PolicyAdded",
    "PolicyBound",
    "PolicyMoveOrdered",
    "PolicyUnbound",
    "ReportReceived",
    "ReportViewed",
]
