"""What can go wrong in the notifier.

NotifierError
└── BadSetup      the registered texts cannot be used; named at start, never when somebody is in danger
"""


class NotifierError(Exception):
    """Base of the notifier's own errors; none of them may be retried."""


class BadSetup(NotifierError):
    """A file of the deployment is wrong."""
