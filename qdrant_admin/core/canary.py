"""How the collections of a crash test are called, so that whoever reads a server's log knows that they are nobody's."""

PREFIX = "qdrant-admin-canary-"
