from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from layersite.model.errors import InvalidInputError
from layersite.model.yaml import Yaml, dump, load_all
from layersite.render.overlay import OverlaySet

Render = Callable[..., list[Yaml]]
HEAD = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: web}\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "apps" / "web" / "overlays"
    path.mkdir(parents=True)
    return path


@pytest.fixture
def render(folder: Path) -> Render:
    """Render a template that stands in `web.yaml.j2` beside the files `others`."""

    def run(template: str, *, others: dict[str, str] | None = None, **variables: Yaml) -> list[Yaml]:
        for name, text in {"web.yaml.j2": template, **(others or {})}.items():
            (folder / name).write_text(text, encoding="utf-8")
        return OverlaySet(folder).render("web.yaml.j2", variables)

    return run


def data(render: Render, template: str, **variables: Yaml) -> Yaml:
    """Return the `data` of a ConfigMap whose `data:` is `template`."""
    return render(f"{HEAD}data: {template}", **variables)[0]["data"]


@pytest.mark.parametrize(
    ("template", "variables", "expected"),
    [
        pytest.param("{{ x }}", {"x": 3}, 3, id="a number"),
        pytest.param("{{ x }}", {"x": "3"}, "3", id="text that looks like a number"),
        pytest.param('"{{ x }}"', {"x": 3}, 3, id="quotes do not matter"),
        pytest.param("{{ x }}", {"x": ["a", {"b": None}]}, ["a", {"b": None}], id="a list"),
        pytest.param("{k: {{ x }}}", {"x": {"a": [1]}}, {"k": {"a": [1]}}, id="a map"),
        pytest.param("a-{{ x }}-{{ y }}", {"x": 1, "y": True}, "a-1-true", id="inside text"),
        pytest.param("a{{ x }}b", {"x": None}, "ab", id="null inside text is nothing"),
        pytest.param("{ {{ x }}: 1}", {"x": "k"}, {"k": 1}, id="as a key"),
        pytest.param("{a-{{ x }}: 1}", {"x": 7}, {"a-7": 1}, id="inside a key"),
        pytest.param("a # {{ x }}", {"x": "\nb: c"}, "a", id="in a comment"),
        pytest.param("|\n  a {{ x }}\n  b", {"x": "1\n\n2"}, "a 1\n\n2\nb", id="in a block"),
        pytest.param("{{ x.y.z }}-{{ x['y'].z }}", {"x": {"y": {"z": 1}}}, "1-1", id="nested"),
        pytest.param("{{ x.items }}", {"x": {"items": "mine"}}, "mine", id="a key named like a method"),
        pytest.param("{{ x[:7] }}", {"x": "0123456789"}, "0123456", id="a slice"),
        pytest.param("{{ 'a' ~ x ~ none }}", {"x": 1}, "a1", id="concatenation"),
        pytest.param("{{ x|default('d') }}", {}, "d", id="default"),
        pytest.param("{{ x.y|d(5) }}", {"x": {}}, 5, id="default of a key"),
        pytest.param("{{ x|join(',')|upper }}", {"x": ["a", 1]}, "A,1", id="filters"),
        pytest.param("{{ x|sort|unique|list }}", {"x": [2, 1, 2]}, [1, 2], id="filters on lists"),
        pytest.param("{{ x|int }}", {"x": "42"}, 42, id="to a number"),
        pytest.param("{{ 'y' if x is defined and x > 1 else 'n' }}", {"x": 2}, "y", id="a condition"),
        pytest.param(
            "[{% for k, v in x|items %}{{ loop.index }}{{ k }}{{ v }}{% if not loop.last %}, {% endif %}{% endfor %}]",
            {"x": {"b": 1, "a": 2}},
            ["1b1", "2a2"],
            id="a loop",
        ),
        pytest.param("{{ [x, {'k': (1, 2)}] }}", {"x": 1}, [1, {"k": [1, 2]}], id="literals"),
    ],
)
def test_values_keep_their_type(render: Render, template: str, variables: dict[str, Yaml], expected: Yaml) -> None:
    assert data(render, template, **variables) == expected


def test_documents_come_in_order_and_empty_ones_are_skipped(render: Render) -> None:
    other = HEAD.replace("web", "{{ name }}")
    found = render(f"---\n{HEAD}---\n{{% if false %}}{HEAD}{{% endif %}}\n---\n# nothing\n---\n{other}", name="two")
    assert [item["metadata"]["name"] for item in found] == ["web", "two"]


def test_names_are_those_to_render(folder: Path) -> None:
    for name in ("b.yaml.j2", "a.yaml.j2", "_part.yaml.j2", ".hidden.yaml.j2", "notes.txt", "c.yaml"):
        (folder / name).touch()
    assert OverlaySet(folder).names == ["a.yaml.j2", "b.yaml.j2"]


def test_an_app_without_overlays_has_no_names(tmp_path: Path) -> None:
    assert OverlaySet(tmp_path / "missing").names == []


def test_an_include_sees_the_variables_and_the_loop(render: Render) -> None:
    template = "{% for x in xs %}---\n{% include '_map.yaml.j2' %}{% endfor %}"
    found = render(template, others={"_map.yaml.j2": HEAD.replace("web", "{{ x }}")}, xs=["a", "b"])
    assert [item["metadata"]["name"] for item in found] == ["a", "b"]


def test_the_result_shares_nothing_with_the_variables(render: Render) -> None:
    labels = {"a": {"b": "c"}}
    first = render(f"{HEAD}data: {{{{ x }}}}\nbinaryData: {{{{ x }}}}", x=labels)[0]
    first["data"]["a"]["b"] = "changed"
    assert (labels, first["binaryData"]) == ({"a": {"b": "c"}}, {"a": {"b": "c"}})


HOSTILE = {
    "boolean": "no",
    "octal": "0123",
    "float": "1e3",
    "sexagesimal": "12:30",
    "null": "null",
    "sha": "1234567e1",
    "empty": "",
    "space": " ",
    "multi-line": "x\nspec:\n  hostNetwork: true",
    "document": "---",
    "new document": "\n---\nkind: Secret",
    "end": "...",
    "anchor": "&a",
    "alias": "*a",
    "merge": "<<",
    "tag": "!!python/object:x",
    "directive": "%YAML 1.1",
    "template": "{{ 7*7 }}",
    "statement": "{% set x = 1 %}",
    "comment": "# c",
    "pair": "a: b",
    "flow": "}, {a: b",
    "quotes": "\"'",
    "block": "|\n  x",
    "tab": "\ta",
    "lines after a tab": "\ta\n",
    "lines after a blank one": "\n  a\n",
    "lines after a control character": "\x08\n",
    "carriage return": "a\r\nb: c",
    "line separators": "a\x85b\u2028c\u2029d",
    "nul": "a\0b",
    "ansi": "\x1b[31mred\x1b[0m",
    "bidi": "a\u202eb\u2066c",
    "byte order mark": "\ufeffa",
    "token": "\ue0000\ue001",
    "token of another": "\ue0001\ue001",
    "half a token": "\ue000",
    "private use": "\ue123\uf8ff",
    "emoji": "🦀",
}


def through_yaml(found: Sequence[Yaml]) -> Yaml:
    """Write the only object and read it back."""
    assert len(found) == 1
    return load_all(dump(found[0]), "rendered")[0]


@pytest.mark.parametrize("value", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("place", ["{{ x }}", '"{{ x }}"', "'{{ x }}'", "!!str {{ x }}"])
def test_a_hostile_value_stays_one_string(render: Render, value: str, place: str) -> None:
    found = through_yaml(render(f"{HEAD}data:\n  k: {place}\n  l: {{{{ y }}}}\n", x=value, y="other"))
    assert found["data"] == {"k": value, "l": "other"}
    assert set(found) == {"apiVersion", "kind", "metadata", "data"}


@pytest.mark.parametrize("value", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_value_inside_text_stays_text(render: Render, value: str) -> None:
    found = through_yaml(render(f'{HEAD}data:\n  k: a{{{{ x }}}}b\n  q: "{{{{ x }}}},"\n', x=value))
    assert found["data"] == {"k": f"a{value}b", "q": f"{value},"}


@pytest.mark.parametrize("value", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_key_stays_one_key(render: Render, value: str) -> None:
    found = through_yaml(render(f"{HEAD}data:\n  {{{{ x }}}}: 1\n  k-{{{{ x }}}}: 2\n", x=value))
    assert found["data"] == {value: 1, f"k-{value}": 2}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
@given(st.text(), st.text())
def test_any_value_stays_what_it_is(folder: Path, one: str, other: str) -> None:
    (folder / "any.yaml.j2").write_text(f'{HEAD}data:\n  a: {{{{ x }}}}\n  "b{{{{ y }}}}": {{{{ y }}}}!\n', "utf-8")
    found = through_yaml(OverlaySet(folder).render("any.yaml.j2", {"x": one, "y": other}))
    assert found == {**load_all(HEAD, "head")[0], "data": {"a": one, f"b{other}": f"{other}!"}}


REFUSED = {
    "globals of a global": ("{{ cycler.__init__.__globals__.os.popen('id').read() }}", "a call"),
    "globals": ("{{ x.__globals__ }}", "`.__globals__`"),
    "class": ("{{ ''.__class__.__mro__ }}", "`.__mro__`"),
    "attr": ("{{ x|attr('__class__') }}", "the filter `attr`"),
    "format by reference (CVE-2024-56326)": (
        "{{ ['{0.__class__}'.format]|map('call')|list }}",
        "the filter `list`|map",
    ),
    "format": ("{{ '{0.__class__}'.format(x) }}", "a call"),
    "attr of format (CVE-2025-27516)": ("{{ ('%s'|attr('format'))(x) }}", "a call"),
    "format filter": ("{{ '%1000000000d'|format(1) }}", "the filter `format`"),
    "map": ("{{ [x]|map(attribute='y')|list }}", "the filter `map`"),
    "replace": ("{{ x|replace('a', 'aaaa') }}", "the filter `replace`"),
    "center": ("{{ x|center(1000000000) }}", "the filter `center`"),
    "near miss": ("{{ x|joined }}", "did you mean `join`"),
    "call": ("{{ x() }}", "a call"),
    "method": ("{{ x.upper() }}", "a call"),
    "range": ("{% for i in range(9) %}{% endfor %}", "a call"),
    "power": ("{{ 9 ** 9 ** 9 }}", "`**`"),
    "times": ("{{ 'a' * 1000000000 }}", "`*`"),
    "modulo": ("{{ '%1000000000d' % 1 }}", "`%`"),
    "plus": ("{{ 1 + 1 }}", "`+`"),
    "set": ("{% set y = 1 %}", "`{% set %}`"),
    "set block": ("{% set y %}a{% endset %}", "`{% set %}`"),
    "macro": ("{% macro m() %}{% endmacro %}", "`{% macro %}`"),
    "call block": ("{% call x() %}{% endcall %}", "`{% call %}`"),
    "filter block": ("{% filter upper %}a{% endfilter %}", "`{% filter %}`"),
    "with": ("{% with y = 1 %}{% endwith %}", "`{% with %}`"),
    "block": ("{% block b %}{% endblock %}", "`{% block %}`"),
    "extends": ("{% extends 'a' %}", "`{% extends %}`"),
    "import": ("{% import 'a' as b %}", "`{% import %}`"),
    "from import": ("{% from 'a' import b %}", "`{% from … import %}`"),
    "recursive loop": ("{% for a in x recursive %}{% endfor %}", "`recursive`"),
    "include of a variable": ("{% include x %}", "must name one file in quotes"),
    "include of a choice": ("{% include ['a', 'b'] %}", "must name one file in quotes"),
    "include ignoring": ("{% include 'a' ignore missing %}", "`ignore missing`"),
    "include without context": ("{% include 'a' without context %}", "`without context`"),
    "arguments by reference": ("{{ x|join(*y) }}", "the filter `join`"),
}


@pytest.mark.parametrize(("template", "message"), REFUSED.values(), ids=REFUSED)
def test_what_is_not_in_the_language_is_refused_by_name_and_line(render: Render, template: str, message: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        render(f"{HEAD}{{% if false %}}\n{template}{{% endif %}}", x="a", y=["b"])
    problem = caught.value.problems[0]
    assert (problem.file, problem.line) == ("apps/web/overlays/web.yaml.j2", 5)
    assert any(part in problem.message for part in message.split("|"))


@pytest.mark.parametrize(
    "template",
    ["{{ x['__class__'] }}", "{{ x['__cl' ~ 'ass__'] }}", "{{ x.upper }}", "{{ x.format }}", "{{ self.__init__ }}"],
)
def test_no_python_attribute_is_reached(render: Render, template: str) -> None:
    with pytest.raises(InvalidInputError, match=r"web\.yaml\.j2:4: .*(there is no|not part of)"):
        data(render, template, x="a")


@pytest.mark.parametrize("template", ["{{ loop }}", "{{ self }}", "{{ x|unique }}"])
def test_what_is_no_yaml_is_refused(render: Render, template: str) -> None:
    with pytest.raises(InvalidInputError, match="cannot stand inside text"):
        data(render, f"{{% for i in [1] %}}{template}{{% endfor %}}", x=["a"])


@pytest.mark.parametrize("name", ["range", "lipsum", "cycler", "joiner", "namespace", "dict"])
def test_there_are_no_globals(render: Render, name: str) -> None:
    with pytest.raises(InvalidInputError, match=f"there is no variable `{name}`"):
        data(render, f"{{{{ {name} }}}}")


def test_a_template_name_is_never_code(folder: Path) -> None:
    name = "x'; import os; '{{ 7 }}.yaml.j2"  # CVE-2024-56201: content and name of a template together
    (folder / name).write_text(f"{HEAD}data: {{{{ '}}}}' if false else x }}}}")
    assert OverlaySet(folder).render(name, {"x": 1})[0]["data"] == 1


@pytest.mark.parametrize(
    ("template", "message"),
    [
        pytest.param("{{ enviroment.name }}", "no variable `enviroment`, did you mean `environment`?", id="variable"),
        pytest.param("{{ environment.nam }}", "no `nam` here, did you mean `name`?", id="key"),
        pytest.param("{{ environment.a.b }}", "no `a` here", id="key of what is missing"),
        pytest.param("{{ environment|join(x) }}", "no variable `x`", id="argument"),
        pytest.param("{% for a in x %}{% endfor %}", "no variable `x`", id="loop"),
        pytest.param("{{ [x] }}", "no variable `x`", id="in a literal"),
        pytest.param("a{{ 'b' ~ x }}", "no variable `x`", id="in a concatenation"),
    ],
)
def test_what_is_undefined_is_named_with_its_line(render: Render, template: str, message: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        data(render, template, environment={"name": "web-1"})
    assert str(caught.value).startswith("apps/web/overlays/web.yaml.j2:4: ")
    assert message in str(caught.value)


def test_an_error_in_an_include_names_the_included_file(render: Render) -> None:
    with pytest.raises(InvalidInputError, match=r"^apps/web/overlays/_part\.yaml\.j2:2: there is no variable `x`"):
        render("\n\n{% include '_part.yaml.j2' %}", others={"_part.yaml.j2": "\n{{ x }}"})


@pytest.mark.parametrize("name", ["../outside.j2", "a/../../outside.j2", "/etc/passwd", "link.j2", "folder/outside.j2"])
def test_nothing_outside_the_folder_is_included(render: Render, folder: Path, name: str) -> None:
    outside = folder.parent / "outside.j2"
    outside.write_text(HEAD)
    (folder / "a").mkdir()
    (folder / "link.j2").symlink_to(outside)
    (folder / "folder").symlink_to(folder.parent)
    with pytest.raises(InvalidInputError, match=r"web\.yaml\.j2:2: cannot include .* outside the app's `overlays`"):
        render(f"\n{{% include '{name}' %}}")


def test_a_missing_include_names_the_near_miss(render: Render) -> None:
    with pytest.raises(InvalidInputError, match=r"2: cannot include `_prat\.j2`: .*did you mean `_part\.j2`"):
        render("\n{% if false %}{% include '_prat.j2' %}{% endif %}", others={"_part.j2": ""})


def test_an_include_cycle_is_refused(render: Render) -> None:
    others = {"_a.j2": "{% include '_b.j2' %}", "_b.j2": "\n{% if x %}{% include '_a.j2' %}{% endif %}"}
    with pytest.raises(InvalidInputError, match=r"_b\.j2:2: .* cycle: web\.yaml\.j2 -> _a\.j2 -> _b\.j2 -> _a\.j2"):
        render("{% include '_a.j2' %}", others=others, x=False)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(b"a: \xff", "not UTF-8", id="not UTF-8"),
        pytest.param("a: \ue000".encode(), "U+E000", id="token character"),
        pytest.param(b"#" * (256 * 1024 + 1), "larger than 256 KiB", id="too large"),
        pytest.param(b"{{ x", "end of print statement", id="not a template"),
        pytest.param(b"{% endif %}", "unknown tag 'endif'", id="unbalanced"),
    ],
)
def test_a_file_that_is_no_overlay_is_refused(folder: Path, content: bytes, message: str) -> None:
    (folder / "web.yaml.j2").write_bytes(content)
    with pytest.raises(InvalidInputError) as caught:
        OverlaySet(folder).render("web.yaml.j2", {})
    assert message in str(caught.value)
    assert caught.value.problems[0].file == "apps/web/overlays/web.yaml.j2"


LONG = "x" * 1000
DOUBLED = "".join(f"{{% for x{n + 1} in [[x{n}, x{n}]] %}}" for n in range(18))
CAPPED = {
    "long loop": ("{% for a in x %}{% endfor %}", "more than 10,000 loop iterations"),
    "nested loops": ("{% for a in y %}{% for b in y %}{% for c in y %}{% endfor %}{% endfor %}{% endfor %}", "10,000"),
    "output": (f"{{% for a in y %}}{LONG * 3}{{% endfor %}}", "more than 1,048,576 characters"),
    "values": (f"{{% for a in y %}}{'{{ a }}' * 30}{{% endfor %}}", "more than 20,000 values"),
    "includes": ("{% for a in y %}{% include '_empty.j2' %}{% endfor %}", "more than 100 includes"),
    "joins": ("{{ s|join(s)|join(s) }}", "more than 1,048,576 characters"),
    "concatenations": ("{% for a in y %}{% for b in y[:10] %}{{ s ~ s }}{% endfor %}{% endfor %}", "characters"),
    "doubled lists": (f"{DOUBLED.replace('x0', 'y')}{{{{ x18 }}}}{'{% endfor %}' * 18}", "more than 20,000 values"),
    "deep loops": ("{% for a in y %}" * 200 + "{% endfor %}" * 200, "nested too deeply"),
    "deep expression": ("{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}", "nested too deeply"),
    "long expression": ("{{ x" + ".a" * 5000 + " }}", "nested too deeply"),
    "deep YAML": ("[" * 100_000, "nested more than 200 deep"),
    "deep YAML in blocks": ("\n{% for a in y %}" + "- " * 250 + "{% endfor %}", "nested more than 200 deep"),
    "huge number": ("{{ " + "9" * 5000 + " }}", "Exceeds the limit"),
}


@pytest.mark.parametrize(("template", "message"), CAPPED.values(), ids=CAPPED)
def test_a_template_without_end_stops_at_a_cap(render: Render, template: str, message: str) -> None:
    variables = {"x": [0] * 10_001, "y": [0] * 1000, "s": LONG}
    with pytest.raises(InvalidInputError) as caught:
        render(f"a: {template}", others={"_empty.j2": ""}, **variables)
    assert message in str(caught.value)


BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{above}'] * 9)}]\n" for above, name in zip("abcdef", "bcdefg", strict=True)
)


@pytest.mark.parametrize(
    ("template", "message"),
    [
        pytest.param(BOMB, "200,000 nodes", id="nodes"),
        pytest.param(f"a: &a {LONG}\nb: [{'*a, ' * 9000}]", "characters after YAML aliases", id="text"),
        pytest.param(f"a: &a {{{{ x }}}}\nb: [{'*a, ' * 9000}]", "characters after YAML aliases", id="values"),
        pytest.param(f"a: &a b{{{{ x|join }}}}\nb: [{'*a, ' * 9000}]", "characters after YAML", id="text of values"),
    ],
)
def test_a_yaml_bomb_is_refused(render: Render, template: str, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        render(HEAD + template, x=[LONG])


@pytest.mark.parametrize(
    ("template", "message"),
    [
        pytest.param("data: &{{ x }} 1", "not valid YAML", id="token in an anchor"),
        pytest.param("data: *{{ x }}", "not valid YAML", id="token in an alias"),
        pytest.param("data: !{{ x }} 1", "not valid YAML", id="token in a tag"),
        pytest.param("data: {<<: {{ x }}}", "not valid YAML", id="token to merge"),
        pytest.param("data: {k: 1, {{ x }}: 2}", "the key 'k' stands here twice", id="a key twice"),
        pytest.param("data: { {{ l }}: 1}", "a list cannot stand inside text", id="a list as key"),
        pytest.param("data: a{{ l }}", "a list cannot stand inside text", id="a list inside text"),
        pytest.param("data: a{{ m }}", "a map cannot stand inside text", id="a map inside text"),
        pytest.param("data: {{ l ~ m }}", "cannot stand inside text", id="a list concatenated"),
        pytest.param("data: {{ x }}: [1", "once rendered, line 4 is `data: {{ … }}: [1`", id="broken YAML"),
        pytest.param("data: !!python/object:os.system {}", "not valid YAML", id="Python object"),
        pytest.param("data: !!set {a}", "has no meaning here", id="a set"),
        pytest.param("data: !!binary aGk=", "has no meaning here", id="bytes"),
        pytest.param("data: !!int [1]", "overlays/web.yaml.j2: ", id="a tag that does not fit"),
    ],
)
def test_yaml_that_means_nothing_is_refused(render: Render, template: str, message: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        render(HEAD + template, x="k", l=["a"], m={})
    assert message in str(caught.value)
    assert "\ue000" not in str(caught.value)


@pytest.mark.parametrize(
    "document",
    ["just text", "[a]", "kind: Service", "apiVersion: v1\nkind: Service", f"{HEAD}---\napiVersion: v1\nkind: [a]"],
)
def test_a_document_that_is_no_object_is_refused(render: Render, document: str) -> None:
    with pytest.raises(InvalidInputError, match=r"^apps/web/overlays/web\.yaml\.j2: document \d is not a Kubernetes"):
        render(document)
