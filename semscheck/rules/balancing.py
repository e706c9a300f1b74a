"""Rules of this family; see the catalogue."""
