#!/usr/bin/env python3
"""Reads the contract (*.toml beside this file) and writes all that is made from it.

    generate.py OUTDIR        hs_proto.h hs_proto.c schema.json openapi.json openapi.c bus.md api.md config.md

The vocabulary: enum, struct and message tables whose fields have a type, a range and a sentence. Generated C is
data only; common/wire.c walks it.
"""
import json
import pathlib
import sys
import tomllib

HERE = pathlib.Path(__file__).parent
VERSION = 1
NOTE = "made by proto/generate.py; change the tables in proto/ instead"
TEXTS = {"text", "label", "id", "digits", "url"}
INNER = ("config", "ceilings", "envelope", "kept")  # structs that the public API does not show
MAX_BYTES = {"id": 64, "digits": 64, "url": 2048}
KINDS = {"request": "HS_REQUEST", "fact": "HS_FACT", "event": "HS_EVENT"}
ERROR_FIELDS = {"type": "stable name, urn:hookswitch:NAME", "title": "sentence", "status": "HTTP status",
                "detail": "what is wrong here and how to mend it", "field": "field concerned",
                "state": "present state (wrong_state)", "request_id": "as in the logs"}


def ident(name):
    return name.replace("-", "_").replace(".", "_")


def upper(name):
    return ident(name).upper()


def fail(where, why):
    sys.exit(f"proto: {where}: {why}")


class Field:
    """One member of a struct or message."""

    KNOWN = {"type", "min", "max", "max_bytes", "max_items", "unit", "optional", "doc", "default", "only"}

    def __init__(self, owner, name, row):
        where = f"{owner}.{name}"
        if unknown := set(row) - self.KNOWN:
            fail(where, f"unknown attribute {sorted(unknown)}")
        if not row.get("doc"):
            fail(where, "doc is missing")
        self.name, self.doc, self.unit = name, row["doc"], row.get("unit")
        parts = row["type"].split(":")
        self.list = parts[0] == "list"
        if self.list:
            parts = parts[1:]
        self.type, self.of = parts[0], parts[1] if len(parts) > 1 else None
        self.optional = row.get("optional", False)
        self.default, self.only = row.get("default"), row.get("only", [])
        self.min, self.max = row.get("min", -(2**53)), row.get("max", 2**53)
        self.max_items = row.get("max_items", 0)
        self.max_bytes = row.get("max_bytes", MAX_BYTES.get(self.type, 0))
        if self.list and not self.max_items:
            fail(where, "a list needs max_items")
        if self.type in ("text", "label") and not self.max_bytes:
            fail(where, f"{self.type} needs max_bytes")

    def declaration(self):
        star = {"struct": f"struct hs_{ident(self.of or '')} ", "enum": f"enum hs_{ident(self.of or '')} ",
                "int": "int64_t ", "time": "int64_t ", "bool": "bool ", "json": "const struct hs_json *"}
        base = star.get(self.type, "const char *")
        pointer = "*" if self.list or self.type == "struct" else ""
        lines = [f"{base}{pointer}{self.name};"]
        if self.list:
            lines.insert(0, f"size_t {self.name}_count;")
        elif self.mark():
            lines.insert(0, f"bool has_{self.name};")
        return lines

    def mark(self):
        if self.list:
            return f"{self.name}_count"
        if self.optional and self.default is None and self.type in ("int", "bool"):
            return f"has_{self.name}"
        return None

    def initializer(self, struct, roles):
        row = [f'.name = "{self.name}"', f".name_bytes = {len(self.name)}", f".type = HS_TYPE_{self.type.upper()}",
               f".offset = offsetof(struct {struct}, {self.name})"]
        if self.list:
            row += [".list = true", f".max_items = {self.max_items}"]
        if mark := self.mark():
            row += [".marked = true", f".mark_offset = offsetof(struct {struct}, {mark})"]
        if self.optional:
            row.append(".optional = true")
        if self.type in ("int",):
            row += [f".min = INT64_C({self.min})", f".max = INT64_C({self.max})"]
        if self.type in TEXTS:
            row.append(f".max_bytes = {self.max_bytes}")
        if self.type == "enum":
            row.append(f".values = &hs_enum_{ident(self.of)}")
        if self.type == "struct":
            row.append(f".shape = &hs_shape_{ident(self.of)}")
        if self.default is not None:
            row.append(f".fallback = {json.dumps(json.dumps(self.default))}")
        if self.only:
            row.append(".only = " + " | ".join(f"1u << HS_ROLE_{upper(r)}" for r in self.only))
        if self.unit:
            row.append(f'.unit = "{self.unit}"')
        row.append(f".doc = {json.dumps(self.doc)}")
        return "{" + ", ".join(row) + "}"

    def schema(self):
        if self.type == "struct":
            out = {"$ref": f"#/components/schemas/{self.of}"}
        elif self.type == "enum":
            out = {"$ref": f"#/components/schemas/{self.of}"}
        elif self.type == "int":
            out = {"type": "integer", "minimum": self.min, "maximum": self.max}
        elif self.type == "bool":
            out = {"type": "boolean"}
        elif self.type == "time":
            out = {"type": "string", "format": "date-time"}
        elif self.type == "json":
            out = {"type": "object"}
        else:
            out = {"type": "string", "maxLength": self.max_bytes}
            if self.type == "id":
                out |= {"minLength": 1, "pattern": "^[A-Za-z0-9_.~-]+$"}
            if self.type == "label":
                out |= {"pattern": r"^[^\u0000-\u001f\u007f-\u009f]*$"}
            if self.type == "digits":
                out |= {"minLength": 1, "pattern": "^[0-9*#A-D]+$"}
        if self.list:
            out = {"type": "array", "maxItems": self.max_items, "items": out}
        note = self.doc + (f" [{self.unit}]" if self.unit else "")
        return ({"allOf": [out]} if "$ref" in out else out) | {"description": note} | (
            {"default": self.default} if self.default is not None else {})

    def words(self):
        """Type and limits, for the reference pages."""
        text = ("list of " if self.list else "") + (self.of or self.type)
        if self.type == "int":
            low = "" if self.min == -(2**53) else str(self.min)
            high = "" if self.max == 2**53 else str(self.max)
            text += f" {low}..{high}" if low or high else ""
        elif self.type in ("text", "label"):
            text += f", {self.max_bytes} bytes"
        text += f" [{self.unit}]" if self.unit else ""
        if self.default is not None and self.default != {}:
            text += f", default {json.dumps(self.default)}"
        elif self.optional:
            text += ", optional"
        return text


class Contract:
    def __init__(self):
        self.enums, self.structs, self.messages, self.errors = {}, {}, {}, {}
        self.roles, self.groups, self.edges, self.frame = {}, {}, {}, {}
        trees = {path.name: tomllib.loads(path.read_text()) for path in sorted(HERE.glob("*.toml"))}
        self.groups = trees["roles.toml"].pop("group")
        for tree in trees.values():
            self.read(tree)
        self.check()

    def read(self, tree):
        self.roles |= tree.pop("role", {})
        self.edges |= tree.pop("edge", {})
        self.errors |= tree.pop("error", {})
        if "frame" in tree:
            self.frame = tree.pop("frame")
        self.enums |= tree.pop("enum", {})
        for name, row in tree.pop("struct", {}).items():
            self.structs[name] = (row["doc"], self.fields(name, row.get("fields", {})))
        for name, row in tree.items():
            if "kind" in row:
                self.message(name, row)
            else:
                for verb, inner in row.items():
                    self.message(f"{name}.{verb}", inner)

    def fields(self, owner, rows):
        return [Field(owner, name, row) for name, row in rows.items()]

    def message(self, name, row):
        known = {"kind", "from", "to", "doc", "http", "scope", "status", "errors", "upload", "form", "public", "raw",
                 "audience", "fields", "answer", "patient", "deadline_ms", "signed"}
        if unknown := set(row) - known:
            fail(name, f"unknown attribute {sorted(unknown)}")
        if not row.get("doc"):
            fail(name, "doc is missing")
        if name in self.messages:
            fail(name, "there are two of this name")
        row = dict(row)
        row["fields"] = self.fields(name, row.get("fields", {}))
        row["answer"] = self.fields(name + ".answer", row.get("answer", {}))
        row["from"] = self.expand(row.get("from", []))
        row["to"] = self.expand(row.get("to", []))
        self.messages[name] = row

    def expand(self, names):
        out = []
        for name in [names] if isinstance(names, str) else names:
            out += self.groups.get(name, [name])
        return out

    def check(self):
        shapes = [(n, f) for n, (_, f) in self.structs.items()]
        for name, row in self.messages.items():
            shapes += [(name, row["fields"]), (name, row["answer"])]
            for role in row["from"] + row["to"]:
                if role not in self.roles:
                    fail(name, f"no role {role}")
            for error in row.get("errors", []):
                if error not in self.errors:
                    fail(name, f"no error {error}")
        for owner, fields in shapes:
            for field in fields:
                table = {"enum": self.enums, "struct": self.structs}.get(field.type)
                if table is not None and field.of not in table:
                    fail(f"{owner}.{field.name}", f"no {field.type} {field.of}")

    def ordered_structs(self):
        """Structs, each after those it holds."""
        done, out = set(), []

        def visit(name):
            if name in done:
                return
            done.add(name)
            for field in self.structs[name][1]:
                if field.type == "struct":
                    visit(field.of)
            out.append(name)

        for name in self.structs:
            visit(name)
        return out


def c_struct(name, doc, fields):
    lines = [f"/* {doc} */", f"struct hs_{ident(name)} {{"]
    for field in fields:
        lines += ["\t" + line for line in field.declaration()]
    if not fields:
        lines.append("\tchar nothing;")
    return lines + ["};", ""]


def header(c):
    out = [f"/* {NOTE} */", "#ifndef HS_PROTO_H", "#define HS_PROTO_H", "#include \"contract.h\"", "",
           f"#define HS_PROTO_VERSION {VERSION}", ""]
    out += ["enum hs_role {", "\tHS_ROLE_NONE,"] + [f"\tHS_ROLE_{upper(r)}," for r in c.roles] + ["\tHS_ROLES,", "};", ""]
    out += ["enum hs_edge {"] + [f"\tHS_EDGE_{upper(e)}," for e in c.edges] + ["\tHS_EDGES,", "};", ""]
    out += ["enum hs_error {", "\tHS_OK,"] + [f"\tHS_ERROR_{upper(e)}," for e in c.errors] + ["\tHS_ERRORS,", "};", ""]
    for name, row in c.enums.items():
        out += [f"/* {row['doc']} */", f"enum hs_{ident(name)} {{"]
        out += [f"\tHS_{upper(name)}_{upper(v)}{' = 1' if i == 0 else ''}," for i, v in enumerate(row["values"])]
        out += [f"\tHS_{upper(name)}_COUNT,", "};", f"extern const struct hs_enum hs_enum_{ident(name)};", ""]
    for name in c.ordered_structs():
        out += c_struct(name, *c.structs[name]) + [f"extern const struct hs_shape hs_shape_{ident(name)};", ""]
    out += ["enum hs_message_id {"] + [f"\tHS_{upper(m)}," for m in c.messages] + ["\tHS_MESSAGES,", "};", ""]
    for name, row in c.messages.items():
        out += c_struct(name, row["doc"], row["fields"])
        if row["kind"] == "request":
            out += c_struct(name + ".answer", "answer", row["answer"])
    out += frame_header(c) + ["#endif", ""]
    return "\n".join(out)


def frame_header(c):
    out, at = ["/* Audio frames: offsets of the header's fields, network byte order. */"], 0
    for row in c.frame["header"]:
        out += [f"#define HS_FRAME_AT_{upper(row['name'])} {at} /* {row['bytes']} bytes: {row['doc']} */"]
        at += row["bytes"]
    out += [f"#define HS_FRAME_HEADER_BYTES {at}", f"#define HS_FRAME_GRANT_BYTES {c.frame['header'][-1]['bytes']}",
            f"#define HS_FRAME_VERSION {c.frame['version']}",
            f"#define HS_FRAME_MAX_PAYLOAD {c.frame['max_payload_bytes']}", "enum hs_frame_kind {"]
    out += [f"\tHS_FRAME_{upper(k)} = {v['value']}, /* {v['doc']} */" for k, v in c.frame["kinds"].items()]
    return out + ["};", ""]


def c_shape(name, fields, roles):
    struct = f"hs_{ident(name)}"
    out = []
    if fields:
        out += [f"static const struct hs_field fields_{ident(name)}[] = {{"]
        out += ["\t" + f.initializer(struct, roles) + "," for f in fields] + ["};"]
    table = f"fields_{ident(name)}" if fields else "NULL"
    return out, f'{{"{name}", sizeof(struct {struct}), {table}, {len(fields)}}}'


def mask(prefix, names):
    return " | ".join(f"1u << {prefix}{upper(n)}" for n in names) or "0"


def source(c):
    out = [f"/* {NOTE} */", '#include "hs_proto.h"', "#include <stddef.h>", ""]
    for name, row in c.enums.items():
        names = ", ".join(f'"{v}"' for v in row["values"])
        docs = ", ".join(json.dumps(d) for d in row["values"].values())
        out += [f"static const char *const names_{ident(name)}[] = {{NULL, {names}}};",
                f"static const char *const docs_{ident(name)}[] = {{NULL, {docs}}};",
                f'const struct hs_enum hs_enum_{ident(name)} = {{"{name}", names_{ident(name)}, docs_{ident(name)}, '
                f'{len(row["values"]) + 1}}};', ""]
    for name in c.ordered_structs():
        table, shape = c_shape(name, c.structs[name][1], c.roles)
        out += table + [f"const struct hs_shape hs_shape_{ident(name)} = {shape};", ""]
    rows = []
    for name, row in c.messages.items():
        table, shape = c_shape(name, row["fields"], c.roles)
        out += table + [f"static const struct hs_shape body_{ident(name)} = {shape};"]
        answer = "NULL"
        if row["kind"] == "request":
            table, shape = c_shape(name + ".answer", row["answer"], c.roles)
            out += table + [f"static const struct hs_shape answer_{ident(name)} = {shape};"]
            answer = f"&answer_{ident(name)}"
        rows.append((name, row, answer))
    out += ["", "const struct hs_message hs_messages[HS_MESSAGES] = {"]
    for name, row, answer in rows:
        method, path = row["http"].split(" ") if "http" in row else (None, None)
        init = [f'.name = "{name}"', f".kind = {KINDS[row['kind']]}", f".body = &body_{ident(name)}",
                f".answer = {answer}", f".from = {mask('HS_ROLE_', row['from'])}",
                f".to = {mask('HS_ROLE_', row['to'])}", f".doc = {json.dumps(row['doc'])}"]
        if method:
            init += [f'.method = "{method}"', f'.path = "{path}"', f".status = {row.get('status', 200)}"]
        for key in ("scope", "raw"):
            if key in row:
                init.append(f".{key} = {json.dumps(row[key])}")
        for key in ("upload", "form", "public", "patient", "signed"):
            if row.get(key):
                init.append(f".is_{key} = true")
        if "deadline_ms" in row:
            init.append(f".deadline_ms = {row['deadline_ms']}")
        if "audience" in row:
            init.append(f".audience = HS_EDGE_{upper(row['audience'])}")
        out.append(f"\t[HS_{upper(name)}] = {{" + ", ".join(init) + "},")
    out += ["};", "", "const struct hs_error_row hs_errors[HS_ERRORS] = {", '\t[HS_OK] = {"ok", 200, "It worked", 0},']
    out += [f'\t[HS_ERROR_{upper(n)}] = {{"{n}", {r["status"]}, {json.dumps(r["title"])}, {r.get("retry_after_s", 0)}}},'
            for n, r in c.errors.items()]
    out += ["};", "", "const char *const hs_role_names[HS_ROLES] = {NULL, " + ", ".join(f'"{r}"' for r in c.roles) + "};",
            "", "const struct hs_edge_row hs_edges[HS_EDGES] = {"]
    for name, row in c.edges.items():
        who = ", ".join(f"[HS_ROLE_{upper(b)}] = {mask('HS_ROLE_', r)}" for b, r in row["connect"].items())
        out.append(f'\t[HS_EDGE_{upper(name)}] = {{"{name}", {{{who}}}}},')
    return "\n".join(out + ["};", ""])


def object_schema(fields, doc=None, closed=False):
    out = {"type": "object", "properties": {f.name: f.schema() for f in fields}}
    required = [f.name for f in fields if not f.optional and f.default is None]
    if required:
        out["required"] = required
    if doc:
        out["description"] = doc
    if closed:
        out["additionalProperties"] = False
    return out


def component_schemas(c, only=lambda name: True):
    out = {name: {"type": "string", "enum": list(row["values"]), "description": row["doc"]}
           for name, row in c.enums.items() if only(name)}
    out |= {name: object_schema(fields, doc, closed=name.startswith("config"))
            for name, (doc, fields) in c.structs.items() if only(name)}
    return out


def json_schema(c):
    """Every bus message's body and answer, by name, for tools in other languages."""
    messages = {}
    for name, row in c.messages.items():
        messages[name] = {"kind": row["kind"], "from": row["from"], "to": row["to"],
                          "body": object_schema(row["fields"], row["doc"], closed=row["kind"] != "event")}
        if row["kind"] == "request":
            messages[name]["answer"] = object_schema(row["answer"])
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "hookswitch bus",
            "version": VERSION, "components": {"schemas": component_schemas(c)}, "messages": messages}


def problem_schema():
    properties = {k: {"type": "integer" if k == "status" else "string", "description": d} for k, d in ERROR_FIELDS.items()}
    return {"type": "object", "properties": properties, "required": ["type", "title", "status"],
            "description": "RFC 9457 problem document"}


def openapi(c):
    paths = {}
    for name, row in c.messages.items():
        if "http" in row:
            method, path = row["http"].split(" ")
            paths.setdefault(path, {})[method.lower()] = operation(c, name, row, path)
    schemas = component_schemas(c, lambda n: not n.startswith(INNER)) | {"problem": problem_schema()}
    for name, row in c.messages.items():
        if row["kind"] == "event":
            schemas[f"event.{name}"] = {"allOf": [{"$ref": "#/components/schemas/event_head"},
                                                  object_schema(row["fields"], row["doc"])]}
    return {"openapi": "3.1.0",
            "info": {"title": "hookswitch", "version": str(VERSION), "license": {"name": "see LICENSE", "identifier": "MIT"},
                     "description": "Anything that rings, as an API."},
            "servers": [{"url": "/"}], "security": [{"bearer": []}], "paths": paths,
            "components": {"securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"},
                                               "basic": {"type": "http", "scheme": "basic"}}, "schemas": schemas}}


def operation(c, name, row, path):
    inside = [f for f in row["fields"] if "{" + f.name + "}" in path]
    rest = [f for f in row["fields"] if f not in inside]
    op = {"operationId": name, "summary": row["doc"], "tags": [path.split("/")[3] if path.startswith("/api/") else name.split(".")[0]]}
    parameters = [{"name": f.name, "in": "path", "required": True, "schema": f.schema(), "description": f.doc} for f in inside]
    if row.get("upload"):
        kinds = ("audio/wav", "audio/basic", "audio/PCMU", "audio/PCMA")
        op["requestBody"] = {"required": True, "content": {k: {"schema": {"type": "string", "format": "binary"}} for k in kinds}}
        rest = [f for f in rest if f.name != "format"]
    if row.get("signed"):  # in place of a token
        parameters += [{"name": f"webhook-{f.name}", "in": "header", "required": True, "schema": f.schema(),
                        "description": f.doc} for f in rest if f.name != "payload"]
        op["requestBody"] = {"required": False, "content": {"application/json": {"schema": {}}}}
        rest = []
    if row.get("upload") or row["http"].startswith("GET"):
        parameters += [{"name": f.name, "in": "query", "required": not f.optional, "schema": f.schema(), "description": f.doc}
                       for f in rest]
    elif rest:
        needed = any(not f.optional for f in rest)
        kind = "application/x-www-form-urlencoded" if row.get("form") else "application/json"
        op["requestBody"] = {"required": needed, "content": {kind: {"schema": object_schema(rest, closed=True)}}}
    if row["http"].startswith("POST") and not row.get("signed"):
        parameters.append({"name": "Idempotency-Key", "in": "header", "required": False,
                           "schema": {"type": "string", "maxLength": 64},
                           "description": "a repeated request with the same key gets the first answer"})
    if parameters:
        op["parameters"] = parameters
    if row.get("public"):
        op["security"] = []
    else:
        op["description"] = f"Scope: {row['scope']}"
    if row.get("form"):
        op["security"] = [{"basic": []}]
    good = {"description": "done"}
    if row.get("raw"):
        good["content"] = {row["raw"].split(";")[0]: {"schema": {"type": "string"}}}
    elif row["answer"]:
        good["content"] = {"application/json": {"schema": object_schema(row["answer"])}}
    op["responses"] = {str(row.get("status", 200)): good}
    for error in ["bad_request", "unauthorized", "forbidden", "invalid", "rate_limited", *row.get("errors", [])]:
        status = str(c.errors[error]["status"])
        kind, schema = "application/problem+json", "problem"
        if row.get("form"):
            kind, schema, status = "application/json", "twilio_problem", status.replace("422", "400")
        op["responses"].setdefault(status, {"description": c.errors[error]["title"], "content": {
            kind: {"schema": {"$ref": f"#/components/schemas/{schema}"}}}})
    return op


def table(rows, head):
    return ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)] + [
        "| " + " | ".join(str(x).replace("|", "\\|") for x in r) + " |" for r in rows] + [""]


def field_table(fields):
    return table([(f"`{f.name}`", f.words(), f.doc) for f in fields], ("field", "type", "meaning")) if fields else []


def bus_page(c):
    out = ["# The bus", "", f"<!-- {NOTE} -->", "", "Who may send what to whom is enforced by the receiver from this table.", ""]
    for kind, title in (("request", "Requests"), ("fact", "Facts, pushed to apid and acknowledged")):
        out += [f"## {title}", ""]
        for name, row in c.messages.items():
            if row["kind"] != kind:
                continue
            out += [f"### {name}", "", row["doc"], "", f"{', '.join(row['from'])} → {', '.join(row['to'])}", ""]
            out += field_table(row["fields"])
            if row.get("patient"):
                out += ["Nobody waits to hear that it is done: that answer may take some milliseconds.", ""]
            if row["answer"]:
                out += ["Answer:", ""] + field_table(row["answer"])
    out += ["## Envelopes", ""]
    for name, (doc, fields) in c.structs.items():
        if name.startswith("envelope"):
            out += [f"### {name}", "", doc, ""] + field_table(fields)
    out += ["## Words", ""]
    for name, row in c.enums.items():
        out += [f"### {name}", "", row["doc"], ""] + table([(f"`{v}`", d) for v, d in row["values"].items()], ("value", "meaning"))
    return "\n".join(out)


def api_page(c):
    out = ["# The API", "", f"<!-- {NOTE} -->", "",
           "Bearer token in `Authorization`. Errors are problem documents (RFC 9457, `application/problem+json`).", "",
           "## Requests", ""]
    for name, row in c.messages.items():
        if "http" not in row:
            continue
        out += [f"### `{row['http']}`", "", row["doc"], ""]
        out += [("No token needed." if row.get("public") else f"Scope `{row['scope']}`.")
                + f" Success: {row.get('status', 200)}." + (f" Errors: {', '.join(row['errors'])}." if row.get("errors") else ""), ""]
        out += field_table([f for f in row["fields"] if not (row.get("upload") and f.name == "format")])
        if row["answer"]:
            out += ["Answer:", ""] + field_table(row["answer"])
    out += ["## Events", "", "Each has the head:", ""] + field_table(c.structs["event_head"][1])
    for name, row in c.messages.items():
        if row["kind"] == "event":
            out += [f"### `{name}`", "", row["doc"], ""] + field_table(row["fields"])
    out += ["## Objects", ""]
    for name, (doc, fields) in c.structs.items():
        if not name.startswith(INNER) and name not in ("event_head", "trace"):
            out += [f"### {name}", "", doc, ""] + field_table(fields)
    out += ["## Errors", ""] + table([(f"`{n}`", r["status"], r["title"]) for n, r in c.errors.items()], ("name", "status", "meaning"))
    return "\n".join(out)


def config_page(c):
    out = ["# Configuration", "", f"<!-- {NOTE} -->", "",
           "YAML. Every scalar outside a list can be set from the environment as `HOOKSWITCH_` and its path in capitals,",
           "for example `HOOKSWITCH_SERVER_REST_PORT=8010`. Check a file with `sipd --check-config --config FILE`.", ""]

    def walk(prefix, struct, rows):
        for f in c.structs[struct][1]:
            path = prefix + f.name + ("[]" if f.list else "")
            if f.type == "struct":
                walk(path + ".", f.of, rows)
            else:
                rows.append((f"`{path}`", f.words(), f.doc))
        return rows

    heads = ("key", "type", "meaning")
    out += table(walk("", "config", []), heads)
    if "ceilings" in c.structs:
        out += ["## Ceilings", "", "`ceilings/ceilings.yaml` in the home: what no configuration and nobody at the API may go beyond. It is",
                "root's (or the starter's) and made at the first start; a change counts within a second, and without a file",
                "that can be believed nothing new goes out. Routes with `emergency: true` are exempt.", ""]
        out += table(walk("", "ceilings", []), heads)
    return "\n".join(out)


def embedded(text):
    """A JSON document as a C array, for the process that serves it."""
    data = text.encode()
    lines = [", ".join(str(b) for b in data[i:i + 24]) for i in range(0, len(data), 24)]
    return "\n".join([f"/* {NOTE} */", '#include "contract.h"', "const unsigned char hs_openapi[] = {",
                      ",\n".join(lines), "};", f"const size_t hs_openapi_bytes = {len(data)};", ""])


def main():
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        sys.exit(__doc__)
    out = pathlib.Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    c = Contract()
    api = json.dumps(openapi(c), indent=1)
    files = {"hs_proto.h": header(c), "hs_proto.c": source(c), "schema.json": json.dumps(json_schema(c), indent=1),
             "openapi.json": api, "openapi.c": embedded(api), "bus.md": bus_page(c), "api.md": api_page(c),
             "config.md": config_page(c)}
    for name, text in files.items():
        (out / name).write_text(text.rstrip("\n") + "\n")


if __name__ == "__main__":
    main()
