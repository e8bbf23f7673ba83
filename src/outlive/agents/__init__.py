"""The agent side: the Claude Agent SDK with its CLI, the trees it works in, and the profiles it runs as."""
