"""Where a report goes: formats, files, standard output, progress."""
