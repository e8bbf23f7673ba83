"""Table, objects and queue in this process's memory: a fake that passes the same suites as the real ones."""
