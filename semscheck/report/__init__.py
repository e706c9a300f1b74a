"""What is said: a report into text, pictures, JSON and the formats of other programs.

Pure functions of values; nothing here opens a file or asks the network. May import the model, and msgspec in
the modules that read and write JSON. Everything that came from the network or from a file is hostile here:
it goes through one function of `safe` for the output it is shown in.
"""
