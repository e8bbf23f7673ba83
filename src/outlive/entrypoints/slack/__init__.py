"""The Slack app as a process: intake, commands, workers and what people see meanwhile."""
