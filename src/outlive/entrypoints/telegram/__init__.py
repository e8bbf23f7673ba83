"""The Telegram bot as one process: intake, commands, workers and what people see meanwhile."""
