"""The closed lists of what is decoded: containers and codecs that hold speech. Nothing here can make FFmpeg open
another file (playlists, image sequences), and no decoder is one that FFmpeg itself calls experimental."""

import enum


class Media(enum.StrEnum):
    """Container format; the value is the name of FFmpeg's demuxer for it."""

    WAV = "wav"
    FLAC = "flac"
    OGG = "ogg"
    MATROSKA = "matroska"
    MP3 = "mp3"
    MOV = "mov"
    AAC = "aac"
    AIFF = "aiff"
    AU = "au"
    AMR = "amr"
    CAF = "caf"
    ASF = "asf"
    AC3 = "ac3"
    EAC3 = "eac3"
    W64 = "w64"
    MPEGTS = "mpegts"
    MPEGPS = "mpeg"
    AVI = "avi"
    FLV = "flv"
    MXF = "mxf"
    DV = "dv"
    WAVPACK = "wv"
    TTA = "tta"
    VOC = "voc"
    DTS = "dts"
    DTSHD = "dtshd"
    TRUEHD = "truehd"
    MLP = "mlp"
    LOAS = "loas"
    QCP = "qcp"
    ILBC = "ilbc"
    OMA = "oma"
    DSS = "dss"
    NIST = "nistsphere"


LIVE_MEDIA = frozenset(
    {
        *(Media.WAV, Media.FLAC, Media.OGG, Media.MATROSKA, Media.MP3, Media.MOV, Media.AAC),
        *(Media.MPEGTS, Media.FLV, Media.AMR, Media.AU),
    }
)
"""Containers that can be decoded while they arrive."""

LIVE_NAMES = "WAV, FLAC, Ogg, WebM, MP3, fragmented MP4, AAC (ADTS), MPEG-TS, FLV, AMR, AU"
"""``LIVE_MEDIA`` as clients know them."""

FILE_NAMES = (
    "WAV (RF64, Wave64), MP3, MP4 and M4A (MOV, 3GP), WebM and Matroska, Ogg, FLAC, AAC, WMA and WMV, AIFF, AU, CAF, "
    "AMR, AC-3, DTS, TrueHD, WavPack, TTA, VOC, MPEG-TS (MTS, M2TS), MPEG (MPG, VOB), AVI, FLV, MXF, DV, QCP, iLBC, "
    "ATRAC (OMA), DSS, SPHERE"
)
"""``Media`` as users know them."""

CODECS = frozenset(
    (
        # The web, phones, music.
        *("opus", "libopus", "vorbis", "libvorbis", "flac", "alac", "speex", "libspeex"),
        *("mp1", "mp1float", "mp2", "mp2float", "mp3", "mp3float", "mp3adu", "mp3adufloat", "mp3on4", "mp3on4float"),
        *("aac", "aac_fixed", "aac_latm", "wmav1", "wmav2", "wmapro", "wmavoice", "wmalossless", "wavpack", "tta"),
        # Discs, films, television, cameras.
        *(
            "ac3",
            "ac3_fixed",
            "eac3",
            "dca",
            "truehd",
            "mlp",
            "pcm_bluray",
            "pcm_dvd",
            "s302m",
            "dvaudio",
            "nellymoser",
        ),
        # Calls, dictation, recorders.
        *("amrnb", "amrwb", "gsm", "gsm_ms", "libgsm", "libgsm_ms", "g722", "g723_1", "g726", "g726le", "g729", "ilbc"),
        *("qcelp", "evrc", "truespeech", "siren", "msnsiren", "dss_sp", "atrac1", "atrac3", "atrac3plus"),
        # Bare samples.
        *("pcm_u8", "pcm_s8", "pcm_s16le", "pcm_s16be", "pcm_s24le", "pcm_s24be", "pcm_s32le", "pcm_s32be"),
        *("pcm_s64le", "pcm_s64be", "pcm_u16le", "pcm_u16be", "pcm_u24le", "pcm_u24be", "pcm_u32le", "pcm_u32be"),
        *("pcm_f32le", "pcm_f32be", "pcm_f64le", "pcm_f64be", "pcm_mulaw", "pcm_alaw"),
        *("pcm_s8_planar", "pcm_s16le_planar", "pcm_s16be_planar", "pcm_s24le_planar", "pcm_s32le_planar"),
        # Four bits a sample.
        *("adpcm_ms", "adpcm_ima_wav", "adpcm_ima_qt", "adpcm_ima_oki", "adpcm_ima_dk3", "adpcm_ima_dk4"),
        *("adpcm_yamaha", "adpcm_swf", "adpcm_ct", "adpcm_sbpro_2", "adpcm_sbpro_3", "adpcm_sbpro_4", "mace3", "mace6"),
    )
)
"""FFmpeg's names of the allowed decoders."""
