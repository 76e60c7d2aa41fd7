"""Tests of the remedies in messages about configuration files: a person who follows one has a good file.

cases ─► syntax, sensors, vessel, folders    mistakes, and what a person writes after reading the message
inventory                                    every text of a message in the source
test_remedies                                applies the remedies; no text may lack a case
"""
