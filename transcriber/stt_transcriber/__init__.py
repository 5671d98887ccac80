"""Transcriber: voice activity detection, rolling buffer, Whisper."""

import os

# NumPy's BLAS would start a thread per core for each small product (the mel filters) and let them spin afterwards,
# which doubled the cost of a draft. NumPy reads this when it is first imported; the engines have their own threads.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
