"""Logic of live sessions: order, framing, rates and silence; pure."""
