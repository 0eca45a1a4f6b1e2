"""What is measured: one registry row an observable, overlaps, times, statements."""
