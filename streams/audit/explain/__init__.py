"""Explanations of single questions, joined along their causes."""
