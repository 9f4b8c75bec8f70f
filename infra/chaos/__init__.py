"""Kills workers and brokers while questions are asked, and checks in the log alone that nothing was lost or doubled."""
