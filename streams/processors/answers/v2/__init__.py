"""Rules of `answers.v2`: numbers, choices, thoughts."""
