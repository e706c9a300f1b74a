"""The ways in which a server of the lab fails."""
