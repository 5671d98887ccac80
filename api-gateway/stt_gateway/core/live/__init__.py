"""Live sessions: order, framing, rates and silence; pure."""
