"""Doctor: the promises of DESIGN section 1, checked on the running system, each with its figure."""

from deploy.doctor.examination import PROMISES, Finding, examine
from deploy.doctor.job import doctor_job

__all__ = ["PROMISES", "Finding", "doctor_job", "examine"]
