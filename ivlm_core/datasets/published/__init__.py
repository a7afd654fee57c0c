"""Readers of the field's datasets, as their owners distribute or the reference preprocesses them.

Every reader returns a list of `LabelledImage`; nothing is downloaded, and no file can run code.
"""
