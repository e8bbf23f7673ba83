"""Redis or Valkey: a hot cache that several hosts share (extra `redis`)."""
