"""The members that the lab plays."""
