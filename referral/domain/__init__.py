"""The rulebook: plain Python, no I/O, no clock, no library."""
