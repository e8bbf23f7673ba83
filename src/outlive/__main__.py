"""`python -m outlive` is the command `outlive`."""

from outlive.entrypoints.cli import run

if __name__ == "__main__":
    run()
