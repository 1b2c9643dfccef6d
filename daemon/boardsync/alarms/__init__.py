"""Tells people, wherever they are, that something is wrong: programs, webhooks, ntfy, mail.

Beside `servers`, because both speak to the outside and know nothing of mirrors or of the state:
what is told, when, and how often is decided by `engine.alarms`. It shares httpx with `servers`
and with nobody else. That library is loaded in every daemon anyway, it ends a request when its
time is up however slowly the other side answers, and it follows no redirect unless asked to:
so no header, and no alarm, ever goes to another host than the one in the settings.
"""
