"""A language model that is none: it plays a script of tool calls to whatever agent asks it what to do.

A fake, for tests and for the demo, on the loopback only. It speaks as much of two APIs as agents need: chat
completions (`POST …/chat/completions`; Qwen Code, opencode and most others) and responses (`POST …/responses`;
Codex), both streamed where that is asked for. It understands nothing of what it is told. How far the script is, it
knows from the conversation, which every request carries: after N results of tools comes step N.

A script is a list of steps, each a mapping:

    {"read": PATH}                               {"create": PATH, "text": TEXT}
    {"edit": PATH, "old": TEXT, "new": TEXT}     {"shell": COMMAND}

Each becomes a call of the tool that the agent offers for it; where it offers none, of its shell. A step that has
`"held"` as well is not told before `release`. After the last step the model says that it is done. With a key,
requests that do not bring it are answered with 401.

    python tests/fakes/model_server.py SCRIPT.json      the key is that of OPENAI_API_KEY; prints the base URL
"""

from __future__ import annotations

import http.server
import json
import os
import shlex
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

Step = Mapping[str, str]

DONE = "I have done all that I was told."

_NAMES: Mapping[str, Sequence[str]] = {
    "read": ("read_file", "read"),
    "edit": ("edit", "replace"),
    "create": ("write_file", "write"),
    "shell": ("run_shell_command", "bash", "exec_command", "shell_command", "shell"),
}
_PARAMETERS: Mapping[str, Sequence[str]] = {
    "path": ("file_path", "absolute_path", "filePath", "path"),
    "old": ("old_string", "oldString"),
    "new": ("new_string", "newString"),
    "text": ("content",),
    "command": ("command", "cmd"),
}
_PATIENCE = 120.0  # seconds
_FILLING: Mapping[str, Any] = {"string": "as told", "boolean": False, "number": 60000, "integer": 60000}


class ModelServer:
    """Serves a script on a free port of the loopback until it is closed.

    `results` holds what the tools of the agent answered, in the order of the script; `refused` counts requests
    without the key. `held` is set when the agent waits for the step that is held. `url` is the base URL that agents
    are given.
    """

    def __init__(self, script: Sequence[Step], *, key: str | None = None) -> None:
        self.script = list(script)
        self.key = key
        self.results: list[str] = []
        self.refused = 0
        self.held = threading.Event()
        self._released = threading.Event()
        owner = self

        class Handler(_Handler):
            model = owner

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/v1"
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Answer no more."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def release(self) -> None:
        """Tell the step that is held."""
        self._released.set()

    def wait(self) -> None:
        """Serve until the process ends."""
        self._thread.join()

    def next_call(self, tools: Mapping[str, Any], results: Sequence[str]) -> tuple[str, dict[str, Any]] | None:
        """Return the tool to call and its arguments; None when there is nothing to do, or nothing to do it with."""
        if len(results) > len(self.results):
            self.results = list(results)
        if not tools or len(results) >= len(self.script):
            return None
        step = self.script[len(results)]
        if "held" in step:
            self.held.set()
            self._released.wait(_PATIENCE)
        return _call(step, tools)


def _call(step: Step, tools: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return a step as the call of a tool; `tools` are the JSON Schemas of their arguments by name."""
    kind = next(iter(step))
    name = next((name for name in _NAMES[kind] if name in tools), None)
    if name is None:
        kind, step = "shell", {"shell": _as_command(kind, step)}
        name = next(name for name in _NAMES["shell"] if name in tools)
    values = {**step, ("command" if kind == "shell" else "path"): step[kind]}
    schema = tools[name]
    arguments = {}
    for parameter, told in schema.get("properties", {}).items():
        meant = next((value for value, names in _PARAMETERS.items() if parameter in names and value in values), None)
        if meant is not None:
            words = ["bash", "-lc", values[meant]] if told.get("type") == "array" else values[meant]
            arguments[parameter] = words
        elif parameter in schema.get("required", ()):
            arguments[parameter] = _FILLING.get(told.get("type"), "")
    return name, arguments


def _as_command(kind: str, step: Step) -> str:
    path = shlex.quote(step[kind])
    if kind == "read":
        return f"cat {path}"
    if kind == "create":
        return f"printf %s {shlex.quote(step['text'])} > {path}"
    program = (
        "import sys; p, a, b = sys.argv[1:]; t = open(p).read(); assert a in t; open(p, 'w').write(t.replace(a, b))"
    )
    return f"python3 -c {shlex.quote(program)} {path} {shlex.quote(step['old'])} {shlex.quote(step['new'])}"


class _Handler(http.server.BaseHTTPRequestHandler):
    """One request of an agent."""

    model: ModelServer

    def do_GET(self) -> None:
        """List the models."""
        models = [{"id": "scripted", "object": "model", "created": 0, "owned_by": "tests"}]
        self._answer({"object": "list", "data": models, "models": []})

    def do_POST(self) -> None:
        """Say what to do next."""
        request = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))))
        if self.model.key is not None and self.headers.get("Authorization") != f"Bearer {self.model.key}":
            self.model.refused += 1
            self._answer({"error": {"message": "no such key", "type": "invalid_request_error"}}, status=401)
        elif self.path.endswith("/chat/completions"):
            self._chat(request)
        elif self.path.endswith("/responses"):
            self._respond(request)
        else:
            self._answer({"error": {"message": "not known here"}}, status=404)

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002  # the name in the base class
        """Log nothing."""

    # Chat completions

    def _chat(self, request: Mapping[str, Any]) -> None:
        functions = [tool["function"] for tool in request.get("tools") or () if tool.get("type") == "function"]
        tools = {function["name"]: function.get("parameters") or {} for function in functions}
        results = [_text(each["content"]) for each in request["messages"] if each["role"] == "tool"]
        call = self.model.next_call(tools, results)
        message: dict[str, Any] = {"role": "assistant", "content": DONE if call is None else None}
        if call is not None:
            function = {"name": call[0], "arguments": json.dumps(call[1])}
            call_id = f"call_{len(results)}"
            message["tool_calls"] = [{"index": 0, "id": call_id, "type": "function", "function": function}]
        reason = "stop" if call is None else "tool_calls"
        usage = {"prompt_tokens": 10, "completion_tokens": 10, "total_tokens": 20}
        common = {"id": "chatcmpl-1", "created": 0, "model": request.get("model", "scripted")}
        if not request.get("stream"):
            choice = {"index": 0, "message": message, "finish_reason": reason}
            self._answer({**common, "object": "chat.completion", "choices": [choice], "usage": usage})
            return
        common["object"] = "chat.completion.chunk"
        parts = [
            {**common, "choices": [{"index": 0, "delta": message, "finish_reason": None}]},
            {**common, "choices": [{"index": 0, "delta": {}, "finish_reason": reason}]},
            {**common, "choices": [], "usage": usage},
        ]
        self._stream([f"data: {json.dumps(part)}\n\n" for part in parts] + ["data: [DONE]\n\n"])

    # Responses

    def _respond(self, request: Mapping[str, Any]) -> None:
        functions = [tool for tool in request.get("tools") or () if tool.get("type") == "function"]
        tools = {function["name"]: function.get("parameters") or {} for function in functions}
        given = request["input"] if isinstance(request["input"], list) else []
        results = [_text(each["output"]) for each in given if each.get("type") == "function_call_output"]
        call = self.model.next_call(tools, results)
        if call is None:
            content = [{"type": "output_text", "text": DONE, "annotations": []}]
            item: dict[str, Any] = {"type": "message", "id": "msg_1", "role": "assistant", "content": content}
        else:
            item = {"type": "function_call", "id": f"fc_{len(results)}", "call_id": f"call_{len(results)}"}
            item.update(name=call[0], arguments=json.dumps(call[1]))
        item["status"] = "completed"
        usage = {"input_tokens": 10, "output_tokens": 10, "total_tokens": 20}
        response = {"id": "resp_1", "object": "response", "created_at": 0, "model": request.get("model", "scripted")}
        response.update(status="completed", output=[item], usage=usage)
        if not request.get("stream"):
            self._answer(response)
            return
        events: list[dict[str, Any]] = [
            {"type": "response.created", "response": {**response, "status": "in_progress", "output": []}},
            {"type": "response.output_item.added", "output_index": 0, "item": item},
            {"type": "response.output_item.done", "output_index": 0, "item": item},
            {"type": "response.completed", "response": response},
        ]
        self._stream([f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events])

    # Answers

    def _answer(self, document: object, *, status: int = 200) -> None:
        self._send("application/json", json.dumps(document), status)

    def _stream(self, events: Sequence[str]) -> None:
        self._send("text/event-stream", "".join(events), 200)

    def _send(self, kind: str, text: str, status: int) -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _text(content: Any) -> str:
    """Return the text of a message, which is text, or a list of parts that have some."""
    if isinstance(content, list):
        return "".join(str(part.get("text", "")) for part in content)
    return str(content)


def main(arguments: Sequence[str]) -> None:
    """Serve the script in a file until the process is ended."""
    script = json.loads(Path(arguments[0]).read_text(encoding="utf-8"))
    server = ModelServer(script, key=os.environ.get("OPENAI_API_KEY"))
    print(server.url, flush=True)
    server.wait()


if __name__ == "__main__":
    main(sys.argv[1:])
