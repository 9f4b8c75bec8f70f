"""
Readers of data sets and recorded outputs.

A module for each form. Each turns a stranger's row into lines of our own two forms, questions and outputs. No form is
unpickled, no reader imports a library of the program that wrote the form, and nothing is downloaded.
"""
