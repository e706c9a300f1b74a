"""The name servers that the lab plays."""
