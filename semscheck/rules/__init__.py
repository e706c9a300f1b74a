"""Judging: pure functions from facts and inference to findings. No I/O, no clock, no randomness.

One decorated function per rule, its card beside its logic; the modules of this room are the families of
the catalogue. May import `semscheck.model` only. To add a rule: write the function in its module, and rows
in its table of tests; the generated pages follow (`make docs`).
"""
