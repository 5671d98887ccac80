"""Pure text logic: agreement, guards, joining, missed speech, segments."""
