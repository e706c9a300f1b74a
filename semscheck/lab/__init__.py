"""Plays: an embedded cluster on loopback, healthy or broken on purpose, to learn, to train and to test with.

Members with two interfaces, certificates made at start, a balancer, name servers. Nothing in the pipeline imports
this package, and nothing here knows how the checker works. It may use the standard library, cryptography, dnspython
and h11; `world` and `scenarios` need the standard library alone.
"""
