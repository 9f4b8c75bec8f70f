"""Counterfactuals over recorded analyses: another policy, less trust, near-equal policies."""
