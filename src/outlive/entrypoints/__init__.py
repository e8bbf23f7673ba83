"""Edges: where people, other programs and vendors come in. The only place that knows exit and HTTP codes."""
