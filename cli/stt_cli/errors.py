"""What a user sees when a command cannot do its work: one line, and an exit code."""


class CliError(Exception):
    """Ends the command. Exit codes: 1 = it did not work out, 2 = it was asked wrongly."""

    def __init__(self, message: str, exit_code: int = 1) -> None:
        super().__init__(message)
        self.exit_code = exit_code
