"""The HTTP API: messages in, events out, and everything an operator does."""
