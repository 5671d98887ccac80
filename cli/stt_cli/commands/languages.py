"""`stt languages`: the languages that Whisper knows."""

from stt_cli.output import print_json
from stt_gateway.core.requests.language_names import LANGUAGES


def list_languages(*, as_json: bool) -> None:
    """Print the code and the names of each language."""
    if as_json:
        print_json({"languages": [{"code": one.code, "names": one.names} for one in LANGUAGES.values()]})
        return
    width = max(map(len, LANGUAGES))
    for one in LANGUAGES.values():
        print(f"{one.code:{width}}  {', '.join(one.names)}")
