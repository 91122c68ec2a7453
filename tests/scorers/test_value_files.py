import pytest

from pytest_metaprompt.errors import FileAccessError, MetapromptError
from pytest_metaprompt.scorers.value_files import load_value

from .asking import HERE, assertion


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("a.json", '{"a": [1]}', {"a": [1]}),
        ("a.yaml", "a: yes\nb: true\nc: 2024-01-01\n", {"a": "yes", "b": True, "c": "2024-01-01"}),
        ("a.yml", "- 1", [1]),
        ("a.txt", "\n hello \n", "hello"),
        ("a.md", "# Title\n", "# Title"),
    ],
)
def test_a_file_is_read_by_its_ending(tmp_path, name, text, value):
    (tmp_path / name).write_text(text, encoding="utf-8")
    assert load_value(assertion("equals", f"file://{name}"), base=tmp_path).value == value


def test_a_value_in_place_is_left_alone(tmp_path):
    wanted = assertion("equals", "see file://a.txt")
    assert load_value(wanted, base=tmp_path) is wanted


def test_a_python_file_is_only_located(tmp_path):
    located = load_value(assertion("python", "file://a.py:check"), base=tmp_path)
    assert located.value == f"file://{tmp_path}/a.py:check"


def test_a_missing_file_names_the_assertion(tmp_path):
    with pytest.raises(FileAccessError, match="equals: cannot read") as caught:
        load_value(assertion("equals", "file://missing.txt"), base=tmp_path)
    assert caught.value.where == HERE


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.json", "{", "cannot be read as JSON"),
        ("a.yaml", "a: [", "cannot be read as YAML"),
        ("a.yaml", "!!python/object/apply:os.getcwd []", "cannot be read as YAML"),
        ("a.js", "1", "cannot take a value from a.js"),
        ("a.py", "1", "cannot take a value from a.py"),
    ],
)
def test_a_file_that_holds_no_value_is_refused(tmp_path, name, text, message):
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(MetapromptError, match=message):
        load_value(assertion("equals", f"file://{name}"), base=tmp_path)
