"""Pure logic of one live session: utterances, endpointing, partials and finals."""
