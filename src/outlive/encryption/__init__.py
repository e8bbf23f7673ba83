"""Encryption with a key per tenant, around a table and around objects (extra `encryption`)."""
