"""The network and this desktop: sockets, TLS, HTTP, DNS messages, limits. Imports the model."""
