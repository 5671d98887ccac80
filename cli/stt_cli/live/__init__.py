"""Live sessions on a running suite: audio sources, paced playback, and captions."""
