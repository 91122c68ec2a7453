from pytest_metaprompt.clients.echo import EchoClient
from pytest_metaprompt.results import Request
from pytest_metaprompt.suites import Message, ModelSpec
from tests.clients.asking import ask


def test_echo_repeats_the_last_user_message():
    said = [("system", "be kind"), ("user", "one"), ("assistant", "uno"), ("user", "two"), ("assistant", "t")]
    messages = tuple(Message(role, content) for role, content in said)
    assert ask(EchoClient(), Request(ModelSpec("echo", ""), messages)).text == "two"


def test_echo_has_nothing_to_say_without_a_user():
    assert ask(EchoClient(), Request(ModelSpec("echo", ""), (Message("system", "x"),))).text == ""
