"""What is done to whole sessions beside their turns: look, compare, fork, rewind, move, erase, sweep."""
