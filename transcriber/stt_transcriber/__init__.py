"""The transcriber: voice activity, rolling buffer, Whisper."""

import os

# NumPy's BLAS would start a thread per core for each small product (the mel filters) and let them spin behind it: that
# doubled what a draft costs. Read when NumPy is first imported; the model's threads are our own.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
