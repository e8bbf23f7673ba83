"""What goes on round the queue: controls, links, pairing, schedules, and replies that must be tried again."""
