"""Commands that have commands of their own, such as `stt keys create`; a group a file."""
