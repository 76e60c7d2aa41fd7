"""Descriptions of the members of JSON objects, from which the JSON Schemas are generated."""

from msgspec import Meta


def described(description: str, *, optional: bool = False, **schema: object) -> Meta:
    """Return annotations that describe a member of a JSON object, for use in `typing.Annotated`.

    `schema` contains more keywords for the member's JSON Schema, such as `minimum`. Programs that read the
    output can rely on them. They are not checked when an object is created or decoded, so that a state file
    with an unexpected value can still be read. A member that is `optional` is always present now, but older
    versions of the program omitted it.
    """
    return Meta(
        description=description,
        extra_json_schema=schema or None,
        extra={"optional": True} if optional else None,
    )
