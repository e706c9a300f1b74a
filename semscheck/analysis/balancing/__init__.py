"""Who answered, how connections are spread, and what keeps a client: pure inference from facts."""
