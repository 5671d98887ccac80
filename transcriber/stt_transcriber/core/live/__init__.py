"""One live session: utterances, endpointing, partials and finals; pure."""
