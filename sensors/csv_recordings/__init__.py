"""Reader of CSV recordings, which are the files that `replay` sensors play.

The modules, in the order in which data flows through them:

- `refusals`: reasons why a recording cannot be played, with the affected lines
- `cells`: parsing of times and values
- `layouts`: the supported file formats, recognised by their header
- `rows`: the readings of one path, in a compact form
- `parser`: converts lines of text to a recording, without opening files
- `files`: reads each file once for all the sensors that play it
"""
