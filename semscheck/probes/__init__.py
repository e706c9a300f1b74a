"""Seeing: one module per thing to look at, and the only I/O there is.

A probe turns network and desktop into observations (facts) through the network backend; trouble becomes a
`Failure` value. Nothing in this package knows what is right or wrong: it imports the model and net, never analysis
or rules.
"""
