"""How collections are called that a check makes for itself: who reads a server's log knows that they are nobody's."""

PREFIX = "qdrant-admin-canary-"
