"""Where a report goes: formats, files, standard output, progress."""

FORMATS = ("text", "json", "jsonl", "html", "markdown", "ticket", "nagios", "prometheus", "junit")
