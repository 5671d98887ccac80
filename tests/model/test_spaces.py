"""The spaces of a text, through the real tokenizer and back."""

from pathlib import Path

import pytest
import tokenizers
from faster_whisper.tokenizer import Tokenizer

from stt_transcriber.core.text.join import join_words
from stt_transcriber.core.text.segments import segments_of
from stt_transcriber.engines.splitting import split_text
from stt_transcriber.engines.words import Piece, timed_words
from stt_transcriber.models.store import ModelError, pull, resolve

pytestmark = pytest.mark.model

TEXTS = [
    ("zh", "我们用machine learning做natural language processing，房间号是12 30，电话 555 1234。"),
    ("zh", "他说“Hello World”，然后走了。 好的。2024年。"),
    ("yue", "我哋用Google Cloud Platform，電話555 1234。"),
    ("ja", "今日はGoogle Cloud Platformの話です。 「Machine Learning」も 12 30 に。"),
    ("th", "วันนี้เราจะใช้ Google Cloud Platform ครับ สวัสดีครับ"),
    ("lo", "ມື້ນີ້ພວກເຮົາໃຊ້ Google Cloud ສະບາຍດີ ຂອບໃຈ"),
    ("my", "ယနေ့ Google Cloud ကို သုံးမယ်။ မင်္ဂလာပါ။"),
    ("km", "ថ្ងៃនេះ យើងប្រើ Google Cloud ។ សួស្តី"),
    ("ko", " 오늘은 Google Cloud 를 씁니다. 전화 555 1234."),
    ("fr", " L'accident a eu lieu aux États-Unis. Vraiment ? Oui : « non ! »"),
    ("de", ' Er sagte: "Ja, 12 30 Uhr", und ging (leider).'),
    ("en", " I'm about to attempt an Inter-Asterisk Exchange Connection, for $5.00... Ready?"),
]


@pytest.fixture(scope="module")
def tokenizer(models_dir: Path) -> tokenizers.Tokenizer:
    try:
        pull("base", models_dir)
    except ModelError as error:
        pytest.skip(str(error))
    return tokenizers.Tokenizer.from_file(str(resolve("base", models_dir) / "tokenizer.json"))


@pytest.mark.parametrize(("language", "text"), TEXTS)
def test_a_text_comes_out_as_the_tokenizer_decodes_it(
    tokenizer: tokenizers.Tokenizer, language: str, text: str
) -> None:
    of_language = Tokenizer(tokenizer, True, task="transcribe", language=language)
    tokens = of_language.encode(text)
    parts, counts = split_text(tokens, of_language, language)
    assert parts == of_language.split_to_word_tokens([*tokens, of_language.eot])[0][:-1]
    pieces = [
        Piece(part, count, at * 0.2, at * 0.2 + 0.2, 0.9)
        for at, (part, count) in enumerate(zip(parts, counts, strict=True))
    ]
    words = timed_words(pieces, 99.0)
    assert join_words(words) == text.strip()
    assert "".join(segment.text for segment in segments_of(words, 0.0)).replace(" ", "") == text.replace(" ", "")
