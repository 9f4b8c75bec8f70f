"""
Fault trials of a Kafka log under load.

A trial kills workers and brokers while questions are asked. Then it checks, from the log alone, that nothing was lost
or doubled.
"""
