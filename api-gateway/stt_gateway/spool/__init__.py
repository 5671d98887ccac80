"""The spool folder, where audio files wait for their job."""
