"""Pure decisions of the router: policies, grading, calendars, and the life of a case. Nothing here does I/O but `policy_files`.

- `policy`        what a policy file says
- `policy_files`  reading policy files; which one is in force where and when
- `grading`       how urgent a report is, and why
- `calendar`      when a window that starts now is over
- `ladder`        who sits on which rung
- `case`          a case as a value
- `machine`       what happens to a case by itself: opened, deadlines, unreachable officers
- `acts`          what people do to a case: acknowledge, decline, steps, close, regrade, place, take over
- `simulate`      the very same machine on a virtual clock
"""
