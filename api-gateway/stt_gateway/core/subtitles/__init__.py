"""From timed words to subtitle cues; pure."""
