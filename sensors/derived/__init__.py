"""Expressions that compute the value of one sensor from the values of others, such as `flow-in - flow-out`.

`expression` contains the parts of an expression and its text. `parser` reads an expression, and `dimensions`
checks its units. `evaluation` computes its value. None of these modules uses drivers or files.
"""
