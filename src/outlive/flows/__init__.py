"""Async steps, written against the protocols: the pipeline reads accept_message, work_queue, run_turn."""
