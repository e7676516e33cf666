"""The directory as every room sees it: divisions, posts, officers and duty (`model`, `read`), who may do what (`permissions`), who is asking (`identity`).

The tables belong to `services/directory`; the other services only read them.
"""
