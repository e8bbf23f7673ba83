"""Slack: what comes in through the Events API or Socket Mode, and what goes out through the Web API."""
