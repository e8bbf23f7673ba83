"""A Telegram bot with a prompt of its own, in twenty lines. It needs TELEGRAM_BOT_TOKEN, and nothing else."""

from pathlib import Path

from outlive import load_settings
from outlive.entrypoints.telegram.running import run_bot

HERE = Path("my-bot")
PROMPT = "You keep a household's lists. Answer in one or two sentences. Keep every list in a file of its own."


def main() -> None:
    """Write the bot's profile, then take messages until Ctrl-C; started again, it goes on where it was."""
    profile = HERE / "profiles" / "lists"
    profile.mkdir(parents=True, exist_ok=True)
    (profile / "system_prompt.md").write_text(PROMPT)
    settings = load_settings(data=HERE / "data", profiles=HERE / "profiles", profile="lists")
    run_bot(settings, workers=2, as_json=False)


if __name__ == "__main__":
    main()
