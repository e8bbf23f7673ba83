"""What is kept beside the conversation: state, preferences, messages, tool results, the archive."""
