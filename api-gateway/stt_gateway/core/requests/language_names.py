"""Table of the languages that Whisper knows: Whisper's code, other codes in use, names in English and in the language.

Codes are those of ISO 639-1, 639-2 and 639-3, former ones included, and of varieties that are written and spoken alike
or that ISO counts as part of the language. Names are those of the Unicode CLDR and of Whisper.
"""

from dataclasses import dataclass

_TABLE = """
af | afr | Afrikaans
am | amh | Amharic, አማርኛ
ar | ara arb acm afb ajp apc apd arq ars ary arz ayl aeb | Arabic, Modern Standard Arabic, العربية
as | asm | Assamese, অসমীয়া
az | aze azb azj | Azerbaijani, azərbaycan, azərbaycan dili
ba | bak | Bashkir, башҡорт, башҡорт теле, башҡортса
be | bel | Belarusian, беларуская
bg | bul | Bulgarian, български
bn | ben | Bengali, Bangla, বাংলা
bo | bod tib | Tibetan, བོད་སྐད
br | bre | Breton, brezhoneg
bs | bos | Bosnian, bosanski
ca | cat | Catalan, Valencian, català, valencià
cs | ces cze | Czech, čeština
cy | cym wel | Welsh, Cymraeg
da | dan | Danish, dansk
de | deu ger | German, Austrian German, Swiss High German, Deutsch
el | ell gre | Greek, Modern Greek, Ελληνικά
en | eng | English, American English, Australian English, British English, Canadian English
es | spa | Spanish, Castilian, European Spanish, Latin American Spanish, Mexican Spanish, español, castellano
et | est ekk | Estonian, eesti, eesti keel
eu | eus baq | Basque, euskara
fa | fas per pes prs | Persian, Farsi, Dari, فارسی
fi | fin | Finnish, suomi
fo | fao | Faroese, føroyskt
fr | fra fre | French, Canadian French, Swiss French, français
gl | glg | Galician, galego
gu | guj | Gujarati, ગુજરાતી
ha | hau | Hausa
haw | | Hawaiian, ʻŌlelo Hawaiʻi
he | heb iw | Hebrew, עברית
hi | hin | Hindi, हिन्दी, हिंदी
hr | hrv scr | Croatian, hrvatski
ht | hat | Haitian Creole, Haitian, Kreyòl ayisyen
hu | hun | Hungarian, magyar
hy | hye arm | Armenian, հայերեն
id | ind in | Indonesian, Bahasa Indonesia, Indonesia
is | isl ice | Icelandic, íslenska
it | ita | Italian, italiano
ja | jpn | Japanese, 日本語
jw | jav jv | Javanese, Jawa, Basa Jawa
ka | kat geo | Georgian, ქართული
kk | kaz | Kazakh, қазақ тілі, қазақша
km | khm | Khmer, ខ្មែរ, ភាសាខ្មែរ
kn | kan | Kannada, ಕನ್ನಡ
ko | kor | Korean, 한국어
la | lat | Latin, Latina, Lingua latina
lb | ltz | Luxembourgish, Letzeburgesch, Lëtzebuergesch
ln | lin | Lingala, lingála
lo | lao | Lao, ລາວ, ພາສາລາວ
lt | lit | Lithuanian, lietuvių
lv | lav lvs | Latvian, latviešu
mg | mlg plt | Malagasy
mi | mri mao | Māori, te reo Māori
mk | mkd mac | Macedonian, македонски
ml | mal | Malayalam, മലയാളം
mn | mon khk | Mongolian, монгол, монгол хэл
mr | mar | Marathi, मराठी
ms | msa may zlm zsm | Malay, Melayu, Bahasa Melayu, Bahasa Malaysia
mt | mlt | Maltese, Malti
my | mya bur | Burmese, Myanmar, မြန်မာ, မြန်မာဘာသာ
ne | nep npi | Nepali, नेपाली
nl | nld dut vls | Dutch, Flemish, Nederlands, Vlaams
nn | nno | Norwegian Nynorsk, Nynorsk, norsk nynorsk
no | nor nb nob | Norwegian, Norwegian Bokmål, Bokmål, norsk, norsk bokmål
oc | oci | Occitan
pa | pan pnb | Punjabi, Panjabi, ਪੰਜਾਬੀ
pl | pol | Polish, polski
ps | pus pst pbt pbu | Pashto, Pushto, پښتو
pt | por | Portuguese, Brazilian Portuguese, European Portuguese, português
ro | ron rum mo mol | Romanian, Moldavian, Moldovan, română
ru | rus | Russian, русский
sa | san | Sanskrit, संस्कृत, संस्कृतम्
sd | snd | Sindhi, سنڌي
si | sin | Sinhala, Sinhalese, සිංහල
sk | slk slo | Slovak, slovenčina
sl | slv | Slovenian, slovenščina
sn | sna | Shona, chiShona
so | som | Somali, Soomaali
sq | sqi alb als aln | Albanian, shqip
sr | srp scc sh hbs cnr | Serbian, Serbo-Croatian, Montenegrin, српски, srpski
su | sun | Sundanese, Basa Sunda
sv | swe | Swedish, svenska
sw | swa swh swc | Swahili, Congo Swahili, Kiswahili
ta | tam | Tamil, தமிழ்
te | tel | Telugu, తెలుగు
tg | tgk | Tajik, тоҷикӣ
th | tha | Thai, ไทย, ภาษาไทย
tk | tuk | Turkmen, türkmen dili, türkmençe
tl | tgl fil | Tagalog, Filipino, Pilipino
tr | tur | Turkish, Türkçe
tt | tat | Tatar, татар, татарча
uk | ukr | Ukrainian, українська
ur | urd | Urdu, اردو
uz | uzb uzn uzs | Uzbek, oʻzbek, oʻzbekcha
vi | vie | Vietnamese, Tiếng Việt
yi | yid ydd ji | Yiddish, ייִדיש
yo | yor | Yoruba, Èdè Yorùbá
yue | | Cantonese, Yue Chinese, 粵語, 粤语, 廣東話
zh | zho chi cmn | Chinese, Mandarin, Mandarin Chinese, Simplified Chinese, Traditional Chinese, 中文, 普通话
"""


@dataclass(frozen=True)
class Language:
    """One language. ``code``: Whisper's; ``names``: the English one first."""

    code: str
    other_codes: tuple[str, ...]
    names: tuple[str, ...]


def _language(row: str) -> Language:
    code, others, names = (cell.strip() for cell in row.split("|"))
    return Language(code, tuple(others.split()), tuple(names.split(", ")))


LANGUAGES = {language.code: language for language in map(_language, _TABLE.strip().splitlines())}
"""By code."""
