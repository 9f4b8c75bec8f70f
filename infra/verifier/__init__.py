"""Second opinions on receipts, and the trials of both."""
