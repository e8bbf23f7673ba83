"""A fake Slack for tests: the documented behaviour of Web API, Events API and Socket Mode, and people who talk."""

from outlive.testing.slack.refusals import DOWN, ApiError, bad, too_many
from outlive.testing.slack.server import APP_TOKEN, SECRET, TOKEN, FakeSlack, shown

__all__ = ["APP_TOKEN", "DOWN", "SECRET", "TOKEN", "ApiError", "FakeSlack", "bad", "shown", "too_many"]
