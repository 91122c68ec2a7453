"""Providers and proposers that a project's conftest adds."""

CLIENT = """
from pytest_metaprompt.results import Proposal, Reply

class Acme:
    def __init__(self, spec):
        self.spec = spec

    async def ask(self, request):
        said = request.messages[-1].content
        if said == "trouble":
            raise ValueError("the shop is closed")
        return said if said == "odd" else Reply(f"{self.spec.name} says {said}")

    async def close(self):
        print("acme was closed")

def pytest_metaprompt_clients():
    return {"acme": Acme}
"""

SUITE = """
routine: {inline: "Answer."}
target: {model: "acme:shop", temperature: 0}
cases:
  - {id: good, input: hello, expect: shop says hello}
  - {id: closed, input: trouble, expect: x}
  - {id: strange, input: odd, expect: x}
"""


def test_a_conftest_adds_a_provider(project):
    project.write(conftest_dot_py=CLIENT)
    project.suite(SUITE)
    after = project.run()
    after.result.assert_outcomes(passed=1, errors=2)
    assert "acme:shop: ValueError: the shop is closed" in after.text
    assert "acme:shop: ask() must return a Reply, not str" in after.text


def test_the_options_know_the_provider_too(project):
    project.write(conftest_dot_py=CLIENT)
    project.suite(SUITE.replace("acme:shop", "echo:"))
    assert project.run("--metaprompt-target=acme:shop", "-k", "good").code == 0


def test_an_unknown_provider_names_the_hook_and_is_no_longer_known_in_the_next_session(project):
    project.write(conftest_dot_py=CLIENT)
    project.suite(SUITE)
    project.run()
    project.write(conftest_dot_py="")
    after = project.run()
    assert after.code == 4
    assert "unknown provider 'acme'" in after.text
    assert "the hook pytest_metaprompt_clients in a conftest.py adds providers" in after.text


def test_a_client_that_cannot_be_opened_is_an_error_of_each_case(project):
    project.write(conftest_dot_py="def pytest_metaprompt_clients():\n    return {'acme': lambda spec: 1 / 0}\n")
    project.suite(SUITE)
    after = project.run()
    after.result.assert_outcomes(errors=3)
    assert "acme:shop cannot be opened: ZeroDivisionError" in after.text


def test_a_provider_that_exists_already_or_is_none_is_a_usage_error(project):
    project.suite(SUITE)
    for returned, said in [
        ("{'openai': print}", "the provider 'openai' exists already"),
        ("{'a:b': print}", "'a:b' cannot be the name of a provider"),
        ("['acme']", "must return a dict of names and functions"),
    ]:
        project.write(conftest_dot_py=f"def pytest_metaprompt_clients():\n    return {returned}\n")
        after = project.run()
        assert after.code == 4
        assert said in after.text


def test_a_conftest_adds_a_proposer_whose_proposal_is_proved_like_any_other(project):
    project.target = lambda body: "7" if "Number only." in body["messages"][0]["content"] else "It is 7."
    project.write(
        conftest_dot_py="""
from pytest_metaprompt.results import Proposal

class Rule:
    async def propose(self, state):
        return [Proposal("rule", "the rule is missing", state.text + "Number only.\\n")]

def pytest_metaprompt_proposers():
    return {"rule": Rule()}
""",
        routine_dot_md="Which number?\n",
    )
    cases = "".join(f"  - {{id: c{n}, input: 'number 7, asked {n} times', expect: '7'}}\n" for n in range(12))
    project.suite(f"routine: routine.md\ntarget: {{model: openai:m, base_url: BASE}}\ncases:\n{cases}")
    after = project.run("--metaprompt-fix")
    assert after.code == 0
    assert after.files["routine.md"] == b"Which number?\nNumber only.\n"
    (repair,) = after.report["repairs"]
    assert [one["proposer"] for one in repair["proposals"] if one["decision"] == "accepted"] == ["rule"]
