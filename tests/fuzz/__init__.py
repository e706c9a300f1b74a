"""Hostile input for every reader: mutated samples, until the time is over. `make fuzz`."""
