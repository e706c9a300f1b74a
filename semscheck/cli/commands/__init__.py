"""Decides: one module per group of commands, and what they share: options, outputs, progress, interruption.

The command line is the only room that may import every other one, and it does so inside the functions that need
them: `semscheck --help` must not wait for a TLS library.
"""
