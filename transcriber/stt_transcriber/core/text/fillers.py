"""Fillers by language: sounds of hesitation that are never a word of that language.

Words that also mean something are left out: German "um", Spanish "este", French "ben", English "er" (the ER) and "mm"
(5 mm), and answers such as "mhm" everywhere. Languages that are not listed have none.
"""

FILLERS: dict[str, tuple[str, ...]] = {
    "en": ("uh", "uhh", "um", "umm", "uhm", "erm", "hm", "hmm", "hmmm", "mmm"),
    "de": ("äh", "ähh", "ähm", "öh", "öhm", "hm", "hmm", "hmmm"),
    "fr": ("euh", "euhh", "heu", "hum", "hm", "hmm"),
    "es": ("ehm", "em", "emm", "hm", "hmm", "mmm"),
    "pt": ("hum", "hm", "hmm", "ahn", "ãh"),
    "it": ("ehm", "uhm", "hm", "hmm", "mmm"),
    "nl": ("uh", "uhm", "ehm", "hm", "hmm"),
    "sv": ("öh", "öhm", "ehm", "hm", "hmm"),
    "da": ("øh", "øhm", "hm", "hmm"),
    "no": ("øh", "øhm", "hm", "hmm"),
    "pl": ("yyy", "eee", "hm", "hmm"),
    "ru": ("эээ", "эм", "хм", "ммм"),
}
