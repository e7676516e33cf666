"""The directory as every room sees it.

`model` and `read`: divisions, posts, officers and duty; `permissions`: who may do what; `identity`: who is asking.
The tables belong to `services/directory`; the other services only read them.
"""
