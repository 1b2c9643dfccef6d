"""Channels of alarms: each is one thing, and no message about them repeats a secret."""

from __future__ import annotations

from pathlib import Path

import pytest

from boardsync.config.load import load
from boardsync.config.model import Settings
from boardsync.errors import SettingsError

SECRET = "open-sesame"
MAIL = "to: [a@b.c], sender: d@e.f, host: h"


def loaded(tmp_path: Path, channel: str) -> Settings:
    path = tmp_path / "config.yaml"
    path.write_text(f"alarms:\n  channels:\n    - {channel}\n")
    return load(path).settings


@pytest.mark.parametrize(
    "channel",
    ["command: [a]", "webhook: https://a.b/c?d=e", "webhook_from: {env: A}",
     "ntfy: https://ntfy.sh/topic", f"mail: {{{MAIL}}}",
     f"mail: {{{MAIL}, user: u, password: {{env: A}}}}",
     (f"mail: {{{MAIL.replace('host: h', 'host: localhost')}, tls: none, user: u, "
     "password: {env: A}}")],
)  # fmt: skip
def test_one_of_each_kind_is_a_channel(tmp_path: Path, channel: str) -> None:
    [made] = loaded(tmp_path, channel).alarms.channels
    assert (made.at_least, made.timeout) == ("warning", 30.0)


@pytest.mark.parametrize(
    ("channel", "problem"),
    [
        ("{}", "found none; expected exactly one of command"),
        ("{command: [a], ntfy: https://a/b}", "found command and ntfy; expected exactly one"),
        ("command: []", "there is no program"),
        ("{command: [a], headers: {X-A: b}}", "there is no webhook with it"),
        ("{webhook: https://a, token: {env: A}}", "there is no ntfy with it"),
        ("{webhook: https://a, headers: {'X A': b}}", "that is no name of a header"),
        ("webhook: ftp://a", "has no http:// or https://"),
        (f"webhook: https://me:{SECRET}@a", "holds a user name or a password"),
        ("ntfy: https://ntfy.sh", "names no topic"),
        (f"{{ntfy: https://a/b, token: {SECRET}}}", "a secret is written out in the settings"),
        (f"{{webhook: https://a, secret_headers: {{A: {SECRET}}}}}", "a secret is written out"),
        (f"webhook_from: https://a/{SECRET}", "a secret is written out"),
        (f"mail: {{{MAIL}, user: u}}", "there is no password with it"),
        (f"mail: {{{MAIL}, password: {{env: A}}}}", "there is no user with it"),
        (f"mail: {{{MAIL}, tls: none, user: u, password: {{env: A}}}}", "travel in the open"),
        (f"mail: {{{MAIL.replace('[a@b.c]', '[]')}}}", "mail.to"),
        (f"mail: {{{MAIL.replace('a@b.c', 'nobody')}}}", "'nobody' is no mail address"),
        (f"mail: {{{MAIL.replace('d@e.f', 'd@e.f> x')}}}", "more than a mail address"),
        (f"mail: {{{MAIL}, port: 70000}}", "expected a port from 1 to 65535"),
        ("{command: [a], at_least: warnin}", "did you mean 'warning'?"),
    ],
)
def test_what_does_not_go_together_is_refused(tmp_path: Path, channel: str, problem: str) -> None:
    with pytest.raises(SettingsError) as refused:
        loaded(tmp_path, channel)
    assert problem in str(refused.value)
    assert SECRET not in str(refused.value)


def test_secrets_that_everybody_can_read_are_warned_of(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text(SECRET)
    path = tmp_path / "config.yaml"
    given = f"{{file: {secret}}}"
    path.write_text(
        "alarms:\n  channels:\n"
        f"    - {{ntfy: https://a/b, token: {given}}}\n"
        f"    - {{webhook: https://a, secret_headers: {{X: {given}}}}}\n"
        f"    - webhook_from: {given}\n"
        f"    - mail: {{{MAIL}, user: u, password: {given}}}\n"
    )
    secret.chmod(0o644)
    assert [one.partition(":")[0] for one in load(path).warnings] == [
        "alarms.channels[0].token", "alarms.channels[1].secret_headers.X",
        "alarms.channels[2].webhook_from", "alarms.channels[3].mail.password",
    ]  # fmt: skip
    secret.chmod(0o600)
    assert load(path).warnings == ()
