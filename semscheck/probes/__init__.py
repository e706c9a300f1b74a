"""Seeing: one module per thing to look at, and the only I/O there is.

A probe turns network and desktop into observations (facts) through the network backend; trouble becomes a `Failure`
No judgement here: nothing in this room knows what is right or wrong. Imports the model, never analysis or rules.
"""
