"""Connections in series, and who answered them: the arms, tracing, persistence. Imports the model, net and probes."""
