"""Descriptions of jobs as text: read as the program does that they are for, written so that all agree.

A manifest is read as kubectl reads it, anything else as gcloud reads the file of its `--config`. They differ:
`1:30` is a text to kubectl and 90 to gcloud; and `y`, which is true to both, is a text to other readers.
"""
