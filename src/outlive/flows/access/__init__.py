"""Who may use the HTTP API: keys, sign-ins, and what was sent under an idempotency key."""
