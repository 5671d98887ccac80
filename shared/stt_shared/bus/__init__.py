"""The way through Redis: key names, atomic functions, live channels with a log beside them, ownership."""
