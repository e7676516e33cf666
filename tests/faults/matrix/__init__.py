"""The fault matrix of the notifier: provider × fault × moment of `kill -9`, each cell with a real process that dies (promise 5).

`make matrix` runs all of it and prints the table; `tests/faults/test_matrix.py` runs a slice.

- `plan`: the providers and the faults. A gateway joins by one entry in `PROVIDERS`.
- `fake`: the providers, in the process that drives the matrix; they keep its clock.
- `nursery`: a process that has imported everything and forks a notifier for each try.
- `victim`: what such a child does: the real notifier, which ends itself with SIGKILL at the n-th commit or call.
- `cells`: plays a cell to its end and judges it; `table` prints.
"""
