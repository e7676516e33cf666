"""Speed, measured: each figure a ratio, or a time, taken in one run on one machine. `make bench` prints the table."""
