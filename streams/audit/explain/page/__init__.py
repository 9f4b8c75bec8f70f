"""Page of an explanation: its model and its markup."""
