"""Shows: Textual screens over the events of a run and over its report.

May import model and render, and nothing that measures or judges: what the screens need done is handed in
through `doors.Doors`. Only `app` and what it imports load Textual; `doors`, `bridge`, `live` and `store` do
not, so the command line may import them for nothing.
"""
