"""Messages and errors: everything that crosses a process boundary, typed once."""
