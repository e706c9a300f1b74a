"""What is: the frozen values that every other package speaks in.

Nothing here does anything: no I/O, no inference, no judgement, and no import but the standard library.
None means "not measured" in every field of every value, and is never the same as zero or empty.
"""
