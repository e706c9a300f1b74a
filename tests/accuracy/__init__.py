"""How often the verdict is right: seeded lab worlds over real sockets, and a table of what was said of each."""
