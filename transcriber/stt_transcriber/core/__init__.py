"""Pure logic of the transcriber: no I/O, no clock, no model."""
