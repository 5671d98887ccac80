"""Rules on texts: agreement, guards, joining, missed speech; pure."""
