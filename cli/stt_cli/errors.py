"""Errors shown to the user of a command: one line and an exit code."""


class CliError(Exception):
    """Error that ends the command. Exit codes: 1 = failure, 2 = usage error."""

    def __init__(self, message: str, exit_code: int = 1) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class Unreachable(CliError):
    """The suite does not answer; it may later."""


class ServerRefusal(CliError):
    """The suite has answered a request with an error. ``status``: that of HTTP."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status
