"""Texts that Whisper writes where nobody speaks, by language: what it learnt from subtitles over music and silence.

Collected from reports about Whisper's models, and from what base wrote for noise (benchmarks/noise.py). Letters and
digits alone count, so punctuation, spaces and case may differ.
"""

from stt_transcriber.core.text.agreement import normalised

SAYINGS: dict[str, tuple[str, ...]] = {
    "ar": ("شكرا", "شكرا لكم", "شكرا لك", "شكرا للمشاهدة", "اشتركوا في القناة", "السلام عليكم"),
    "de": ("Vielen Dank.", "Vielen Dank fürs Zuschauen!", "Danke fürs Zuschauen!", "Bis zum nächsten Mal.", "Tschüss."),
    "en": (
        "you",
        "Thank you.",
        "Thank you very much.",
        "Thank you for watching.",
        "Thanks for watching!",
        "Bye.",
        "Bye-bye.",
    ),
    "es": (
        "Gracias.",
        "Muchas gracias.",
        "Gracias por ver el video.",
        "¡Gracias por ver!",
        "Suscríbete al canal.",
        "Adiós.",
    ),
    "fr": (
        "Merci.",
        "Merci beaucoup.",
        "Merci d'avoir regardé cette vidéo !",
        "Merci d'avoir regardé.",
        "Abonnez-vous !",
        "Au revoir.",
    ),
    "hi": ("धन्यवाद", "धन्यवाद।", "शुक्रिया", "देखने के लिए धन्यवाद"),
    "it": ("Grazie.", "Grazie a tutti.", "Grazie per la visione!", "Grazie per aver guardato il video.", "Ciao."),
    "ja": (
        "ありがとうございました",
        "ご視聴ありがとうございました",
        "ご清聴ありがとうございました",
        "最後までご視聴いただきありがとうございました",
        "チャンネル登録お願いします",
        "チャンネル登録よろしくお願いします",
        "おやすみなさい",
        "ん",
    ),
    "ko": ("감사합니다", "고맙습니다", "시청해주셔서 감사합니다", "구독과 좋아요 부탁드립니다", "다음 영상에서 만나요"),
    "nl": ("Bedankt.", "Dank u wel.", "Bedankt voor het kijken!", "Tot de volgende keer.", "Doei."),
    "pl": ("Dziękuję.", "Dziękuję za uwagę.", "Dziękuję za oglądanie.", "Dzięki za oglądanie!", "Do zobaczenia!"),
    "pt": ("Obrigado.", "Obrigada.", "Muito obrigado.", "Obrigado por assistir!", "Inscreva-se no canal.", "Tchau."),
    "ru": (
        "Спасибо.",
        "Спасибо за внимание.",
        "Спасибо за просмотр!",
        "Подписывайтесь на канал.",
        "До свидания.",
        "Пока.",
    ),
    "tr": (
        "Teşekkürler.",
        "Teşekkür ederim.",
        "İzlediğiniz için teşekkür ederim.",
        "Abone olmayı unutmayın.",
        "Hoşça kalın.",
    ),
    "zh": ("谢谢", "謝謝", "谢谢大家", "谢谢观看", "謝謝觀看", "谢谢收看", "下次再见", "再见"),
}
"""What people say too."""

CREDITS: tuple[str, ...] = (
    "Amara.org",
    "Untertitel im Auftrag des ZDF",
    "Untertitelung des ZDF",
    "Untertitel von Stephanie Geiges",
    "Untertitelung aufgrund der Amara",
    "Copyright WDR",
    "WDR 20",
    "SWR 20",
    "ZDF 20",
    "ARD Text im Auftrag von Funk",
    "Subtitles by the",
    "Subtitles by Steamteamextra",
    "Transcription by CastingWords",
    "Subtítulos realizados por",
    "Subtitulado por",
    "Sous-titres réalisés",
    "Sous-titrage Société Radio-Canada",
    "Sous-titrage ST'",
    "Sous-titrage FR",
    "Legendas pela comunidade",
    "Legendado por",
    "Sottotitoli creati",
    "Sottotitoli e revisione a cura di",
    "Sottotitoli di Sottotitoli",
    "Ondertitels ingediend door",
    "Ondertiteld door",
    "TV GELDERLAND",
    "Napisy stworzone przez",
    "Napisy wykonane przez",
    "Tłumaczenie napisy",
    "Продолжение следует",
    "Субтитры сделал",
    "Субтитры создавал",
    "Субтитры делал",
    "Субтитры подготов",
    "Редактор субтитров",
    "Корректор А",
    "DimaTorzok",
    "Altyazı M.K.",
    "Çeviri ve Altyazı",
    "字幕by",
    "字幕志愿者",
    "字幕由",
    "中文字幕",
    "请不吝点赞",
    "請不吝點贊",
    "明镜与点点",
    "明鏡與點點",
    "优优独播剧场",
    "優優獨播劇場",
    "by bwd6",
    "字幕提供",
    "자막 제공",
    "한글자막 by",
    "MBC 뉴스",
    "ترجمة نانسي قنقر",
    "ترجمة وتدقيق",
)
"""Credits, whatever the language: nobody says them but an announcer who reads them."""


def reduced(text: str) -> str:
    """Return the letters and digits of a text, case-folded."""
    return normalised("".join(text.split()))


_SAYINGS = {language: frozenset(map(reduced, phrases)) for language, phrases in SAYINGS.items()}
_CREDITS = tuple(map(reduced, CREDITS))
_MOST_LETTERS_BESIDE = 40
"""Letters that a credit has besides its known part, such as names and years."""


def is_saying(text: str, language: str) -> bool:
    """Check whether the whole text is one of ``SAYINGS``, in its language or in English, once or several times."""
    whole = reduced(text)
    known = _SAYINGS["en"] | _SAYINGS.get(language, frozenset())
    return any(whole == phrase * (len(whole) // len(phrase)) for phrase in known) if whole else False


def is_credit(text: str) -> bool:
    """Check whether the text is one of ``CREDITS`` and hardly anything else."""
    whole = reduced(text)
    return any(len(whole) <= len(credit) + _MOST_LETTERS_BESIDE for credit in _CREDITS if credit in whole)
