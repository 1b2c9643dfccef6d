"""The outbox: hints leave the watching threads, and a failing receiver is owed a rescan."""

from __future__ import annotations

import threading

from boardsync.local.hints import Hint, Outbox, Rescan
from boardsync.local.ignore import Rules
from local.inbox import Inbox


class Moody:
    """A receiver that fails until it is told not to."""

    def __init__(self) -> None:
        self.failing = True
        self.received: list[Hint | Rescan] = []

    def receive(self, message: Hint | Rescan) -> None:
        if self.failing:
            raise RuntimeError("not now")
        self.received.append(message)


def test_hints_pass_and_what_the_rules_leave_alone_does_not() -> None:
    inbox = Inbox()
    outbox = Outbox(inbox.receive, Rules())
    outbox.hint(b"a.png", is_dir=False, closed=True)
    outbox.hint(b"set", is_dir=True)
    outbox.hint(b"notes.txt", is_dir=False)
    outbox.hint(b"set/.x", is_dir=True)
    assert inbox.hints == [Hint(b"a.png", True), Hint(b"set", False)]
    assert outbox.counts() == {"hints": 2, "rescans": 0, "failures": 0}


def test_the_file_of_rules_is_not_hinted_at_but_means_a_rescan() -> None:
    inbox = Inbox()
    Outbox(inbox.receive, Rules()).hint(b".boardsyncignore", is_dir=False)
    assert inbox.reasons == ["the rules in .boardsyncignore changed"]
    assert inbox.hints == []


def test_the_file_of_rules_of_a_subfolder_means_nothing() -> None:
    inbox = Inbox()
    Outbox(inbox.receive, Rules()).hint(b"set/.boardsyncignore", is_dir=False)
    assert inbox.reasons == []


def test_a_failing_receiver_is_owed_one_rescan_until_it_is_well() -> None:
    moody = Moody()
    outbox = Outbox(moody.receive, Rules())
    outbox.hint(b"a.png", is_dir=False)
    outbox.hint(b"b.png", is_dir=False)
    outbox.pay()
    moody.failing = False
    outbox.pay()
    outbox.pay()
    assert [type(message) for message in moody.received] == [Rescan]
    assert outbox.counts() == {"hints": 0, "rescans": 1, "failures": 3}


def test_a_rescan_that_could_not_be_handed_over_keeps_its_reason() -> None:
    moody = Moody()
    outbox = Outbox(moody.receive, Rules())
    outbox.rescan("the queue overflowed")
    moody.failing = False
    outbox.pay()
    assert moody.received == [Rescan("the queue overflowed")]


def test_hints_from_many_threads_are_all_counted() -> None:
    inbox = Inbox()
    outbox = Outbox(inbox.receive, Rules())

    def send(number: int) -> None:
        for each in range(200):
            outbox.hint(b"%d-%d.png" % (number, each), is_dir=False)

    threads = [threading.Thread(target=send, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outbox.counts()["hints"] == len(inbox.paths) == 1600
