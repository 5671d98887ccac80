"""Words of a transcript as sentences and paragraphs."""

from collections.abc import Iterator, Sequence
from typing import Any

from stt_gateway.core.deepgram.parameters import TextForm
from stt_gateway.core.deepgram.words import SpokenWord, text_of
from stt_shared.contracts.text import SENTENCE_MARKS

PAUSE_S = 1.5
"""Pause that begins another paragraph after a sentence."""
MAX_SENTENCES = 5
_CLOSING = "\"'”’»)]"

Sentence = list[SpokenWord]


def paragraphs_view(words: Sequence[SpokenWord], form: TextForm) -> dict[str, Any]:
    """Return the paragraphs: at most five sentences of one speaker, without a long pause between them."""
    views, texts = [], []
    for paragraph in _paragraphs(words, form):
        first = paragraph[0][0]
        sentences = [
            {"text": text_of(sentence, form), "start": sentence[0].start, "end": sentence[-1].end}
            for sentence in paragraph
        ]
        view: dict[str, Any] = {
            "sentences": sentences,
            "num_words": sum(map(len, paragraph)),
            "start": first.start,
            "end": paragraph[-1][-1].end,
        }
        text = text_of([word for sentence in paragraph for word in sentence], form)
        if form.has_speakers and first.speaker is not None:
            view["speaker"] = first.speaker
            text = f"Speaker {first.speaker}: {text}"
        views.append(view)
        texts.append(text)
    return {"transcript": "".join(f"\n{text}\n" for text in texts).removesuffix("\n"), "paragraphs": views}


def _paragraphs(words: Sequence[SpokenWord], form: TextForm) -> Iterator[list[Sentence]]:
    paragraph: list[Sentence] = []
    for sentence in _sentences(words, form):
        if paragraph:
            last = paragraph[-1][-1]
            is_other = form.has_speakers and sentence[0].speaker != last.speaker
            if is_other or sentence[0].start - last.end >= PAUSE_S or len(paragraph) >= MAX_SENTENCES:
                yield paragraph
                paragraph = []
        paragraph.append(sentence)
    if paragraph:
        yield paragraph


def _sentences(words: Sequence[SpokenWord], form: TextForm) -> Iterator[Sentence]:
    sentence: Sentence = []
    for word in words:
        if sentence and form.has_speakers and word.speaker != sentence[-1].speaker:
            yield sentence
            sentence = []
        sentence.append(word)
        if word.text.rstrip(_CLOSING).endswith(tuple(SENTENCE_MARKS)):
            yield sentence
            sentence = []
    if sentence:
        yield sentence
