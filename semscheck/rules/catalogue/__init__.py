"""The rules, a module per family: each a card and a pure function from the context to findings."""
