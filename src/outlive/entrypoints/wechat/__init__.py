"""An official account or a WeCom bot as one process: the webhook, commands and workers."""
