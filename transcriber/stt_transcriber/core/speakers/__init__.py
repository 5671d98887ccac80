"""Who speaks when: from the voices of short windows to a speaker for each word. Pure functions."""
