"""Every query of the router. Cases are loaded and saved in bulk: many cases, few statements.

- `cases`    locking, loading and saving cases with their deadlines and assignments; which report belongs to which case
- `lists`    what boards and lists show
- `monthly`  who was told that a monthly report is due
- `columns`  how the values of a case are laid out in columns
"""
