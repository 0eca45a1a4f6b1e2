"""What users ask: one file a question."""
