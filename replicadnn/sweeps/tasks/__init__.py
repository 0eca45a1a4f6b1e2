"""What is done at one point of a sweep: one file a task, all of one contract."""
