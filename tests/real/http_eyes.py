"""Reads along an HTTP/1.1 conversation that somebody else carries: who asked what, who is done."""

from __future__ import annotations

import h11


class Conversation:
    """One connection's requests and answers, one after the other.

    What is no HTTP/1.1, or becomes something else (a websocket), is not understood from then
    on: then nothing is ever asked and no answer is ever whole.
    """

    def __init__(self) -> None:
        self._requests = h11.Connection(h11.SERVER)
        self._answers = h11.Connection(h11.CLIENT)
        self._understood = True

    def asked(self, data: bytes) -> list[str]:
        """Take what the client sent; return the requests that began in it: `GET /path?query`."""
        if not self._understood:
            return []
        try:
            return self._read_requests(data)
        except h11.ProtocolError:
            self._understood = False
            return []

    def answered(self, data: bytes) -> bool:
        """Take what the server sent; tell whether an answer is whole with it."""
        if not self._understood:
            return False
        try:
            return self._read_answers(data)
        except h11.ProtocolError:
            self._understood = False
            return False

    def _read_requests(self, data: bytes) -> list[str]:
        self._requests.receive_data(data)
        begun: list[str] = []
        while True:
            event = self._requests.next_event()
            if event is h11.NEED_DATA or event is h11.PAUSED:
                return begun
            if isinstance(event, h11.Request):
                begun.append(f"{event.method.decode()} {event.target.decode()}")
            if isinstance(event, h11.Request | h11.Data | h11.EndOfMessage):
                # The reader of answers has to know what they answer.
                self._answers.send(event)

    def _read_answers(self, data: bytes) -> bool:
        self._answers.receive_data(data)
        while True:
            event = self._answers.next_event()
            if event is h11.NEED_DATA:
                return False
            if event is h11.PAUSED or isinstance(event, h11.ConnectionClosed):
                self._understood = False
                return False
            if isinstance(event, h11.Response | h11.InformationalResponse | h11.Data):
                self._requests.send(event)
            elif isinstance(event, h11.EndOfMessage):
                self._requests.send(event)
                self._begin_anew()
                return True

    def _begin_anew(self) -> None:
        """Get ready for the next request, unless this connection is to be closed."""
        for side in (self._requests, self._answers):
            if side.our_state is h11.DONE and side.their_state is h11.DONE:
                side.start_next_cycle()
            else:
                self._understood = False
