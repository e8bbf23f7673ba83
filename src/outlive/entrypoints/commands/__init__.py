"""The commands: one file, one function each."""
