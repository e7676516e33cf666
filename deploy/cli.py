"""Where every process of Tocsin begins: `python -m deploy.cli`. What it can do stands in `deploy.commands`."""

from libs import memory


def main() -> None:
    """Runs the command line."""
    memory.begin()  # before anything else is loaded
    from deploy.commands import main as commands

    commands()


if __name__ == "__main__":
    main()
