"""The command line: commands, options, outputs, exit codes. May import every package, inside functions."""
