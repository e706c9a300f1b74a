"""Plays: an embedded cluster on loopback, healthy or broken on purpose, to learn, to train and to test with.

Members with two interfaces, certificates made at start, a balancer, name servers. Nothing in the pipeline imports
this room, and nothing here knows how the checker works. The room may use the standard library, cryptography and
dnspython; `world` and `scenarios` need the standard library alone.
"""
