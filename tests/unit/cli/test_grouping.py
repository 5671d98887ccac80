"""Options that several commands have as one value."""

from dataclasses import dataclass
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from stt_cli.grouping import OptionGroup, grouped

pytestmark = pytest.mark.unit


@dataclass(frozen=True)
class Paint(OptionGroup):
    colour: Annotated[str, typer.Option("--colour", "-c")] = "white"
    coats: int = 1


def run(*arguments: str) -> tuple[int, list[object]]:
    app, seen = typer.Typer(), list[object]()

    @app.command()
    @grouped
    def main(wall: str, size: int = 3, *, paint: Paint) -> None:
        """Paint a wall."""
        seen.extend([wall, size, paint])

    return CliRunner().invoke(app, list(arguments)).exit_code, seen


def test_each_field_is_an_option_and_the_command_gets_one_value() -> None:
    assert run("north", "-c", "red", "--coats", "2") == (0, ["north", 3, Paint("red", 2)])


def test_what_is_not_given_is_the_fields_default() -> None:
    assert run("north", "--size", "4") == (0, ["north", 4, Paint()])


def test_a_value_of_another_kind_is_refused() -> None:
    assert run("north", "--coats", "many") == (2, [])
