"""The balancers that the lab plays."""
