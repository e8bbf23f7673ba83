"""The functions on AWS Lambda: a producer, an agent and a sweeper behind one handler module."""
