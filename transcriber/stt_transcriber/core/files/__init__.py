"""Pure file logic: cutting files into chunks, and the text of a chunk."""
