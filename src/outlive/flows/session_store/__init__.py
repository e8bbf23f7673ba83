"""The Claude Agent SDK's `SessionStore` on the engine's packs, table and objects."""
