import pytest

from .asking import judge, refusal


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"a": 198}, '{"a": 198.0}'),
        ({"a": 198.0}, '{"a": 198}'),
        ([1, [2, {"b": None}]], '[1, [2, {"b": null}]]'),
        (None, "null"),
        (10**400, str(10**400)),
        ('{"a": 1}', '{"a": 1}'),
        ('"text"', '"text"'),
        ({"a": 2}, '{"a": 1, "a": 2}'),
        ({"ключ": "🎉"}, '{"\\u043a\\u043b\\u044e\\u0447": "\\ud83c\\udf89"}'),
    ],
)
def test_the_same_value_passes(value, text):
    assert judge("json", value, text).passed


@pytest.mark.parametrize(
    ("value", "text", "reason"),
    [
        ({"a": 198}, '{"a": "198"}', 'a: expected 198, got "198"'),
        ({"a": 1}, '{"a": true}', "a: expected 1, got true"),
        ([True], "[1]", "[0]: expected true, got 1"),
        ([0], "[false]", "[0]: expected 0, got false"),
        ({"a": None}, "{}", "a: missing"),
        ({"a": []}, '{"a": {}}', "a: expected [], got {}"),
        ({"a": 1}, '{"a": 1, "a": 2}', "a: expected 1, got 2"),
        ({"__class__": 1}, '{"__class__": 2}', "__class__: expected 1, got 2"),
        ([0.1], "[0.10000000000000002]", "[0]: expected 0.1, got 0.10000000000000002"),
        (2**53 + 1, str(2**53) + ".0", "expected 9007199254740993, got 9007199254740992.0"),
        ([1, 2], "[1]", "[1]: missing"),
        ([1], "[1, 2]", "[1]: not expected"),
        ({"a": 1, "b": 2, "c": 3}, "{}", "a: missing; b: missing; c: missing"),
        ([1, 2], "[2, 1]", "[0]: expected 1, got 2; [1]: expected 2, got 1"),
        ({"a.b": 1}, '{"a.b": 2}', '["a.b"]: expected 1, got 2'),
        ({"a": 1}, "", "expected JSON: the reply is empty"),
        ({"a": 1}, '```json\n{"a": 1}\n```', "expected JSON: it is fenced: the JSON stands inside a ``` code fence"),
    ],
)
def test_another_value_fails_and_names_the_path(value, text, reason):
    verdict = judge("json", value, text)
    assert not verdict.passed
    assert verdict.reason == reason


def test_all_paths_that_differ_are_named():
    value = {"quantity": 3, "customer": {"city": "Rome"}}
    reason = judge("json", value, '{"quantity": 4, "customer": {}, "extra": 1}').reason
    assert reason == "customer.city: missing; extra: not expected; quantity: expected 3, got 4"


def test_many_differences_are_cut_with_their_number():
    reason = judge("json", list(range(20)), str(list(range(1, 21)))).reason
    assert reason.count("expected") == 5
    assert reason.endswith("and 15 more")


def test_numbers_that_differ_far_down_are_not_the_same():
    assert not judge("json", 10**400, str(10**400 + 1)).passed


@pytest.mark.parametrize(
    ("value", "text", "passed"),
    [
        (1.0, "1.1", True),
        (1.0, "1.11", False),
        (100, "100", True),
        (1, '"1"', False),
        (1, "true", False),
        (10**400, "1", False),
    ],
)
def test_numbers_within_the_tolerance_are_the_same(value, text, passed):
    assert judge("json", value, text, tolerance=0.1).passed is passed


@pytest.mark.parametrize(
    ("value", "text", "passed"),
    [
        ([1, 2, 2], "[2, 1, 2]", True),
        ([1, 2, 2], "[1, 1, 2]", False),
        ([1, True], "[true, 1]", True),
        ([1, 1], "[1, true]", False),
        ([[1, 2], [3]], "[[3], [2, 1]]", True),
        ([{"a": [1, 2]}, {"a": []}], '[{"a": []}, {"a": [2, 1]}]', True),
        ([1], "[]", False),
    ],
)
def test_lists_in_any_order_are_compared_by_their_items(value, text, passed):
    assert judge("json", value, text, ignore_order=True).passed is passed


def test_an_item_without_a_partner_is_named_by_its_own_place():
    assert judge("json", ["a", "b", "c"], '["c", "a"]', ignore_order=True).reason == "[1]: missing"
    assert judge("json", ["a", "b"], '["b", "x", "a"]', ignore_order=True).reason == "[2]: not expected"


def test_a_tolerance_and_any_order_work_together():
    assert judge("json", [1.0, 1.2], "[1.1, 0.9]", ignore_order=True, tolerance=0.1).passed
    value = [{"a": 1.0}, {"a": 2.0}]
    assert judge("json", value, '[{"a": 2.05}, {"a": 0.95}]', ignore_order=True, tolerance=0.1).passed


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("customer.id", '{"customer": {"name": "Ann", "id": 8}, "items": [{"id": 1}]}'),
        ("customer.id", '{"customer": {"name": "Ann"}, "items": [{"id": 1}]}'),
        ("items[*].id", '{"customer": {"name": "Ann", "id": 7}, "items": [{"id": 9}]}'),
        ("items[0]", '{"customer": {"name": "Ann", "id": 7}, "items": []}'),
        ("items", '{"customer": {"name": "Ann", "id": 7}}'),
        ("*.id", '{"customer": {"name": "Ann", "id": 0}, "items": [{"id": 1}]}'),
        ('["customer"].id', '{"customer": {"name": "Ann", "id": 0}, "items": [{"id": 1}]}'),
    ],
)
def test_ignored_paths_do_not_count(path, text):
    value = {"customer": {"name": "Ann", "id": 7}, "items": [{"id": 1}]}
    assert judge("json", value, text, ignore_paths=[path]).passed
    assert not judge("json", value, text).passed


def test_what_is_not_ignored_still_counts():
    reason = judge("json", {"a": 1, "b": 2}, '{"a": 5, "b": 6}', ignore_paths=["a"]).reason
    assert reason == "b: expected 2, got 6"


def test_items_are_paired_without_their_ignored_parts():
    value = [{"id": 1, "x": "a"}, {"id": 2, "x": "b"}]
    text = '[{"id": 8, "x": "b"}, {"id": 9, "x": "a"}]'
    assert judge("json", value, text, ignore_order=True, ignore_paths=["[*].id"]).passed


@pytest.mark.parametrize(
    ("value", "settings", "message"),
    [
        ("{bad", {}, "value '{bad' is not JSON"),
        ("", {}, "value '' is not JSON"),
        (float("nan"), {}, "value holds NaN or infinity"),
        ({"a": [float("inf")]}, {}, "value holds NaN or infinity"),
        (1, {"tolerance": "0.1"}, "tolerance must be a number, not a text"),
        (1, {"tolerance": True}, "tolerance must be a number, not the truth value true"),
        (1, {"tolerance": -1}, "tolerance must be a number from 0 on, not -1"),
        (1, {"tolerance": float("nan")}, "tolerance must be a number from 0 on, not nan"),
        (1, {"ignore_order": "yes"}, "ignore_order must be true or false, not a text"),
        (1, {"ignore_paths": "a"}, "ignore_paths must be a list, not a text"),
        (1, {"ignore_paths": [1]}, "ignore_paths must hold texts only"),
        (1, {"ignore_paths": ["a..b"]}, "ignore_paths: 'a..b' is not a path (write paths such as"),
    ],
)
def test_a_comparison_that_cannot_work_is_refused(value, settings, message):
    assert message in refusal("json", value, **settings)


@pytest.mark.parametrize(
    ("expected", "text", "score"),
    [
        ({"a": 1, "b": 2}, '{"a": 1, "b": 3}', 0.5),
        ({"a": 1, "b": {"c": 2, "d": 3, "e": 4}}, '{"a": 1, "b": "x"}', 0.25),
        ({"a": 1}, '{"a": 1, "b": 2}', 0.5),
        ({"a": 1, "b": 2}, '{"a": 1}', 0.5),
        ([1, 2, 3, 4], "[4, 3, 2, 9]", 0),
        ({"a": 1}, "[]", 0),
        ({"a": 1}, "no JSON", 0),
        ([], "[1]", 0.5),
        (1, "1.0", 1),
    ],
)
def test_the_score_is_the_share_of_values_that_are_right(expected, text, score):
    assert judge("json", expected, text).score == pytest.approx(score)


def test_lists_in_any_order_are_credited_item_by_item():
    assert judge("json", [1, 2, 3, 4], "[4, 3, 2, 9]", ignore_order=True).score == 0.75


def test_a_threshold_is_the_share_that_must_be_right():
    value, text = {"a": 1, "b": 2, "c": 3}, '{"a": 1, "b": 2, "c": 4}'
    assert judge("json", value, text, threshold=0.6).passed
    found = judge("json", value, text, threshold=0.7)
    assert not found.passed
    assert found.reason == "67% of the values are right, less than 70%: c: expected 3, got 4"


def test_equals_gives_no_partial_credit():
    assert judge("equals", {"a": 1, "b": 2}, '{"a": 1, "b": 3}').score == 0
