"""
Evaluation of panels, rules and single models.

Readers of data sets and recorded outputs, samples, orders of questions, outcomes of arms, statistics and the report.
Nothing here runs a stage: `streams.app` does, and hands the outcomes over.
"""
