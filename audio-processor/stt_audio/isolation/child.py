"""What every decoder's process does first."""

import os
import signal
import threading
from multiprocessing import parent_process

from stt_audio.isolation.limits import leave_network


def begin() -> None:
    """Leave the network and stay with the replica. Call it in a process of its own, before it has a second thread."""
    # Ctrl-C reaches all processes of a terminal, and the replica ends its decoders itself.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    leave_network()
    threading.Thread(target=_end_with_replica, daemon=True).start()


def _end_with_replica() -> None:
    """End this process when the replica dies or drops it, even in the middle of an endless loop of FFmpeg."""
    replica = parent_process()
    if replica is not None:
        replica.join()
        os._exit(1)
