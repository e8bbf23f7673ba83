"""WeChat: official accounts, and the AI bots of WeCom."""
