"""Walking the OpenAPI document, and making requests from its examples."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple
from uuid import uuid4

from httpx import AsyncClient

Document = Mapping[str, Any]


class Operation(NamedTuple):
    """An operation of the document.

    Attributes:
        method: In lower case.
        path: With its parameters in braces.
        described: What the document says of it.
    """

    method: str
    path: str
    described: dict[str, Any]

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    def parameters(self, where: str) -> Iterator[dict[str, Any]]:
        """The parameters in the path, query or header."""
        return (each for each in self.described.get("parameters", ()) if each["in"] == where)

    @property
    def body(self) -> dict[str, Any] | None:
        """The schema of the JSON body."""
        content = self.described.get("requestBody", {}).get("content", {})
        schema: dict[str, Any] | None = content.get("application/json", {}).get("schema")
        return schema


def operations(document: Document) -> list[Operation]:
    """All operations."""
    return [
        Operation(method, path, described)
        for path, item in document["paths"].items()
        for method, described in item.items()
    ]


def resolve(schema: dict[str, Any], document: Document) -> dict[str, Any]:
    """The schema itself, where it is a reference or one of several beside null."""
    if "$ref" in schema:
        return resolve(document["components"]["schemas"][schema["$ref"].rpartition("/")[2]], document)
    choices = [each for each in schema.get("anyOf", ()) if each.get("type") != "null"]
    if len(choices) == 1:
        return {**resolve(choices[0], document), **{key: schema[key] for key in schema.keys() - {"anyOf"}}}
    return schema


_BY_FORMAT = {"uuid": "01890a5d-ac96-774b-bcce-b302099a8057", "date-time": "2040-01-31T12:00:00Z"}
# A field's schema says with it at which address there are things that the field may refer to.
_KEYS_AT = "x-keys-at"


def example(schema: dict[str, Any], document: Document) -> Any:
    """A value that the schema describes: its example, its default, or one made of those of its parts."""
    schema = resolve(schema, document)
    given = schema.get("examples", schema.get("enum"))
    if given:
        return given[0]
    match schema.get("type"):
        case "object":
            return {name: example(part, document) for name, part in schema.get("properties", {}).items()}
        case "array":
            return [example(schema["items"], document)]
        case "string":
            return _BY_FORMAT.get(schema.get("format", ""), "example")
        case _:
            return schema.get("default", schema.get("minimum", 1))


async def example_body(client: AsyncClient, schema: dict[str, Any], document: Document) -> Any:
    """A body that the schema describes, in which each reference leads to something that is there."""
    body = example(schema, document)
    for name, part in resolve(schema, document).get("properties", {}).items():
        if address := resolve(part, document).get(_KEYS_AT):
            body[name] = await key_at(client, address)
    return body


async def key_at(client: AsyncClient, address: str) -> str:
    """The key of the thing at an address, or of the first there; one is made of its example where there is none."""
    found = (await client.get(address)).json()
    listed = found if isinstance(found, list) else found.get("items", [found])
    if not listed:
        document = (await client.get("/openapi.json")).json()
        (maker,) = (each for each in operations(document) if str(each) == f"post {address}")
        headers = {each["name"]: uuid4().hex for each in maker.parameters("header")}
        body = await example_body(client, maker.body or {}, document)
        made = await client.post(address, json=body, headers=headers)
        assert made.is_success, f"POST {address} answered {made.status_code} to its example: {made.text}"
        listed = [made.json()]
    key: str = listed[0]["id"]
    return key
