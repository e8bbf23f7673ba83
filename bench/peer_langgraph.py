"""LangGraph's SQLite saver as a contestant: a graph of one node over `MessagesState`, invoked once per turn."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.runnables import RunnableConfig
from langgraph.graph import END, START, MessagesState, StateGraph

from bench.contest import History
from bench.workload import Message, Turn


class LangGraph:
    """A graph of one node on any saver."""

    _stack: ExitStack
    _graph: Any
    _thread = "bench"

    @property
    def _config(self) -> RunnableConfig:
        return {"configurable": {"thread_id": self._thread}}

    def _compiled(self, saver: Any) -> Any:
        graph = StateGraph(MessagesState)
        graph.add_node("agent", self._answer)
        graph.add_edge(START, "agent")
        graph.add_edge("agent", END)
        return graph.compile(checkpointer=saver)

    async def seed(self, turns: list[Turn]) -> None:
        messages = [_message(message) for turn in turns for message in turn]
        self._graph.update_state(self._config, {"messages": messages})

    async def append_turn(self, user: Message, assistant: Message) -> None:
        # The saver writes what the graph tells it, so a turn is a run of the graph; the node stands for the model.
        self._reply = _message(assistant)
        given: Any = {"messages": [_message(user)]}
        self._graph.invoke(given, self._config)

    async def resume(self) -> History:
        messages = self._graph.get_state(self._config).values["messages"]
        return History.of(str(message.content) for message in messages)

    async def forget(self) -> None:
        """Each `resume` asks the store for everything."""

    async def close(self) -> None:
        self._stack.close()

    def _answer(self, state: MessagesState) -> dict[str, Any]:  # noqa: ARG002 (LangGraph asks for the name)
        return {"messages": [self._reply]}


def _message(message: Message) -> BaseMessage:
    made = HumanMessage if message.role == "user" else AIMessage
    return made(content=message.text, id=message.id)


class LangGraphSqlite(LangGraph):
    """One SQLite file, default durability. WAL, with SQLite's default `synchronous=FULL`."""

    async def open(self, folder: Path) -> None:
        from langgraph.checkpoint.sqlite import SqliteSaver

        self._stack = ExitStack()
        saver = self._stack.enter_context(SqliteSaver.from_conn_string(str(folder / "checkpoints.db")))
        self._graph = self._compiled(saver)


CONTESTANT = LangGraphSqlite
