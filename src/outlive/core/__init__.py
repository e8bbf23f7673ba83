"""Decisions: plain functions and frozen data, without I/O, clock or randomness."""
