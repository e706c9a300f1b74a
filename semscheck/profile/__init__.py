"""Reads what people type, and TOML, into a Target. Imports the model and msgspec."""
