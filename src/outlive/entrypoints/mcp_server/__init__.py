"""The MCP server: outlive as the memory of agents of any framework."""
