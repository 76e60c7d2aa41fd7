"""Reading of CSV recordings: the files that sensors of kind `replay` play.

The modules, in the order in which data flows through them:

- `refusals`: why a recording cannot be played, with the lines concerned
- `cells`: the forms of a time, and of a value
- `layouts`: the named shapes of file, recognised by their header
- `rows`: the readings of one path, in little memory
- `parser`: turns lines of text into a recording; opens no file
- `files`: reads each file once for all the sensors that play it
"""
