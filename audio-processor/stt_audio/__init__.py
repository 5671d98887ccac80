"""Audio-processor: decodes any codec to 16 kHz mono frames."""
