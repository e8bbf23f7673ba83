"""`outlive conformance`: what it is aimed at, and what it asks."""
