"""What the model decodes next, and how often sessions are drafted; pure."""
