"""Pure logic of the gateway: no I/O, no clock."""
