#!/usr/bin/python3
"""The contract's generator: its output for a small contract is what lies in golden/expected, it is the same each time,
what is wrong in a table is named, and the schemas of the real contract are valid.

    test_generate.py PROTO_FOLDER [--update]      --update writes golden/expected anew
"""
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

import jsonschema

GOLDEN = pathlib.Path(__file__).parent / "golden"
PROTO = pathlib.Path(sys.argv[1])
COMPARED = ["hs_proto.h", "hs_proto.c", "schema.json", "openapi.json", "bus.md", "api.md", "config.md"]

# What a table says, what it should say no to, and the words it should use.
WRONG = [
    ('hz = { type = "int", min = 20', 'hz = { tipe = 1, type = "int", min = 20', "unknown attribute"),
    ('doc = "how high"', 'doc = ""', "doc is missing"),
    ('max_items = 8, ', '', "a list needs max_items"),
    ('type = "text", max_bytes = 100', 'type = "text"', "text needs max_bytes"),
    ('type = "enum:bell_size"', 'type = "enum:bell_sise"', "no enum bell_sise"),
    ('type = "struct:bell", doc', 'type = "struct:bel", doc', "no struct bel"),
    ('to = ["bell-ringer"]', 'to = ["bell-hanger"]', "no role bell-hanger"),
    ('errors = ["invalid"]', 'errors = ["tired"]', "no error tired"),
    ('doc = "Ring a bell."', 'dock = "x"\ndoc = "Ring a bell."', "unknown attribute"),
]


def generate(contract, out):
    """Runs the generator over a folder of tables, as if they lay beside it."""
    with tempfile.TemporaryDirectory() as folder:
        for path in [PROTO / "generate.py", *pathlib.Path(contract).glob("*.toml")]:
            shutil.copy(path, folder)
        return subprocess.run([sys.executable, pathlib.Path(folder) / "generate.py", out], capture_output=True, text=True)


class Golden(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.out = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))

    def test_output_is_what_it_was(self):
        done = generate(GOLDEN / "contract", self.out)
        self.assertEqual(done.returncode, 0, done.stderr)
        for name in COMPARED:
            with self.subTest(name):
                self.assertEqual((self.out / name).read_text(), (GOLDEN / "expected" / name).read_text(),
                                 "if this is meant: test_generate.py ../../proto --update")

    def test_mistakes_are_named(self):
        tables = (GOLDEN / "contract" / "bell.toml").read_text()
        for old, new, words in WRONG:
            with self.subTest(words), tempfile.TemporaryDirectory() as folder:
                shutil.copytree(GOLDEN / "contract", folder, dirs_exist_ok=True)
                self.assertIn(old, tables)
                (pathlib.Path(folder) / "bell.toml").write_text(tables.replace(old, new))
                done = generate(folder, self.out)
                self.assertNotEqual(done.returncode, 0)
                self.assertIn(words, done.stderr)

    def test_generated_c_compiles(self):
        self.assertEqual(generate(GOLDEN / "contract", self.out).returncode, 0)
        done = subprocess.run(["cc", "-std=gnu17", "-Wall", "-Wextra", "-Werror", "-I", PROTO, "-c", "-o",
                               self.out / "hs_proto.o", self.out / "hs_proto.c"], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)


class Contract(unittest.TestCase):
    """The real one."""

    @classmethod
    def setUpClass(cls):
        cls.first, cls.second = (pathlib.Path(cls.enterClassContext(tempfile.TemporaryDirectory())) for _ in range(2))
        for out in cls.first, cls.second:
            done = generate(PROTO, out)
            assert done.returncode == 0, done.stderr
        cls.schema = json.loads((cls.first / "schema.json").read_text())
        cls.openapi = json.loads((cls.first / "openapi.json").read_text())

    def test_twice_the_same(self):
        for path in self.first.iterdir():
            self.assertEqual(path.read_bytes(), (self.second / path.name).read_bytes(), path.name)

    def test_schemas_are_valid(self):
        components = {"components": self.schema["components"]}
        for name, message in self.schema["messages"].items():
            for part in "body", "answer":
                if part in message:
                    jsonschema.Draft202012Validator.check_schema(message[part] | components)
        for schema in [*self.schema["components"]["schemas"].values(), *self.openapi["components"]["schemas"].values()]:
            jsonschema.Draft202012Validator.check_schema(schema)

    def test_references_exist(self):
        for document in self.schema, self.openapi:
            names = set(re.findall(r'"\$ref": "#/components/schemas/([^"]+)"', json.dumps(document)))
            self.assertEqual(names - set(document["components"]["schemas"]), set())

    def test_schema_takes_and_refuses(self):
        schema = self.schema["messages"]["leg.hangup"]["body"] | {"components": self.schema["components"]}
        jsonschema.validate({"leg": "l1", "cause": "busy"}, schema)
        for wrong in {"leg": "l1"}, {"leg": "l1", "cause": "tired"}, {"leg": "l 1", "cause": "busy"}, \
                {"leg": "l1", "cause": "busy", "more": 1}:
            with self.assertRaises(jsonschema.ValidationError):
                jsonschema.validate(wrong, schema)

    def test_public_api_hides_the_house(self):
        self.assertFalse([n for n in self.openapi["components"]["schemas"] if n.startswith(("config", "envelope"))])
        for path, methods in self.openapi["paths"].items():
            for operation in methods.values():
                inside = set(re.findall(r"{(\w+)}", path))
                named = {p["name"] for p in operation.get("parameters", []) if p["in"] == "path"}
                self.assertEqual(inside, named, path)

    def test_embedded_document(self):
        numbers = re.search(r"hs_openapi\[\] = {(.*?)};", (self.first / "openapi.c").read_text(), re.S).group(1)
        self.assertEqual(json.loads(bytes(int(n) for n in numbers.replace("\n", "").split(","))), self.openapi)


def update():
    with tempfile.TemporaryDirectory() as out:
        done = generate(GOLDEN / "contract", out)
        if done.returncode:
            sys.exit(done.stderr)
        for name in COMPARED:
            shutil.copy(pathlib.Path(out) / name, GOLDEN / "expected" / name)


if __name__ == "__main__":
    if "--update" in sys.argv:
        update()
    else:
        unittest.main(argv=sys.argv[:1])
