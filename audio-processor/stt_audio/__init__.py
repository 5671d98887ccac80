"""The audio-processor: any codec in, 16 kHz mono frames out."""
