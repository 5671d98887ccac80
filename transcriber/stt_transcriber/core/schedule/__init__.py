"""Pure scheduling logic: the order of decodes, and the interval between a session's drafts."""
