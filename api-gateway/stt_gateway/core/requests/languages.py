"""Codes of the languages that Whisper knows."""

_CODES = """
af am ar as az ba be bg bn bo br bs ca cs cy da de el en es et eu fa fi fo fr gl gu ha haw he hi hr ht hu hy id is it
ja jw ka kk km kn ko la lb ln lo lt lv mg mi mk ml mn mr ms mt my ne nl nn no oc pa pl ps pt ro ru sa sd si sk sl sn
so sq sr su sv sw ta te tg th tk tl tr tt uk ur uz vi yi yo yue zh
"""
LANGUAGES = frozenset(_CODES.split())


def code_of(tag: str) -> str:
    """Return the language code of a tag such as en-US or pt_BR: Whisper knows languages, not regions."""
    return tag.lower().replace("_", "-").partition("-")[0]
