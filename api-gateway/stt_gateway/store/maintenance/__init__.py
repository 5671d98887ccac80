"""What operators do with a transcript store: back it up, restore it, check it."""
