"""Files of transcripts: subtitles cut from timed words, plain text, and JSON of other services; pure."""
