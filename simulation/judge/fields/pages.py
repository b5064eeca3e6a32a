"""Rules for pages: complete lines in order, cursors that each name one line, and true page information."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from simulation.judge.fields.books import us_of
from simulation.judge.fields.node import AnswerNode, Sentences


def connection(node: AnswerNode) -> Sentences:
    """Check a page of the history of an account, or of a statement."""
    edges = node.shown.get("edges", ())
    account_id = node.account_id
    entries = [node.books.entries.get((account_id, edge["node"]["id"])) for edge in edges]
    if not all(entries):
        return  # `reads_match_entries` reports the wrong line
    versions = [entry.version for entry in entries if entry is not None]
    yield from nodes(node)
    yield from _cursors(node, edges, versions)
    oldest, newest = _ends(node)
    info = node.shown.get("pageInfo", {})
    after = node.attempt.sent.after
    if after is not None and (known := node.books.cursors.get((account_id, after))) is not None:
        newest = known - 1
        if versions and versions[0] != newest:
            yield f"the page after line {known} begins with line {versions[0]}"
    elif after is None and newest is not None and versions[:1] not in ([], [newest]):
        yield f"the first page begins with line {versions[0]}, not with {newest}"
    elif after is None and newest is None and node.shown.get("edges") is not None:
        yield from _fresh(node, versions)
        newest = versions[0] if versions else None
    first = node.attempt.operation.page_size
    if newest is not None and first is not None:
        due = min(first, max(0, newest - oldest))
        if len(versions) != due:
            yield f"the page has {len(versions)} lines, not {due}"
    if "hasNextPage" in info and newest is not None:
        more = newest - len(versions) > oldest
        if info["hasNextPage"] is not more:
            yield f"hasNextPage is {info['hasNextPage']}, and there {'are' if more else 'are no'} older lines"
    yield from page_info(info, edges, after)


def _ends(node: AnswerNode) -> tuple[int, int | None]:
    """Return the version before the oldest line, and that of the newest line; None for a history that still grows."""
    if node.parent is None or node.parent.type_name != "AccountStatement":
        return 0, None
    sent, rows = node.attempt.sent, node.books.database.entries.get(node.account_id, ())
    assert sent.since is not None
    assert sent.until is not None
    before, until = (sum(row.at_us < us_of(moment) for row in rows) for moment in (sent.since, sent.until))
    return before, until


def _fresh(node: AnswerNode, versions: Sequence[int]) -> Sentences:
    """Check that a first page contains all lines of which the same person had an answer before."""
    timeline = node.books.timeline(node.account_id)
    if timeline is None:
        return
    newest = versions[0] if versions else 0
    acknowledged = timeline.newest_acknowledged(node.attempt.invoked_ns, person=node.attempt.operation.person)
    if newest < acknowledged:
        yield f"the newest entry is {newest}, but the same person got an answer with entry {acknowledged} before"


def _cursors(node: AnswerNode, edges: Sequence[Mapping[str, Any]], versions: Sequence[int]) -> Sentences:
    for edge, version in zip(edges, versions, strict=True):
        if "cursor" not in edge:
            continue
        known = node.books.cursors.setdefault((node.account_id, edge["cursor"]), version)
        if known != version:
            yield f"the cursor {edge['cursor']} stands for line {version}, and stood for line {known}"


def nodes(node: AnswerNode) -> Sentences:
    """Compare the nodes of a page, if the answer has them, with the nodes of its edges."""
    if "nodes" in node.shown and "edges" in node.shown:
        shown = [node["id"] for node in node.shown["nodes"]]
        if shown != [edge["node"]["id"] for edge in node.shown["edges"]]:
            yield "the nodes are not those of the edges"


def page_info(info: Mapping[str, Any], edges: Sequence[Mapping[str, Any]], after: str | None) -> Sentences:
    """Compare the page information with the edges and with the request."""
    for name, node in (("startCursor", 0), ("endCursor", -1)):
        due = edges[node].get("cursor") if edges else None
        if name in info and due is not None and info[name] != due:
            yield f"{name} is {info[name]}, not {due}"
        if name in info and not edges and info[name] is not None:
            yield f"{name} is {info[name]}, and the page is empty"
    if "hasPreviousPage" in info and info["hasPreviousPage"] is not (after is not None):
        yield f"hasPreviousPage is {info['hasPreviousPage']}"


def audit_page(node: AnswerNode) -> Sentences:
    """Check that a page of the audit trail is complete, with the latest row first."""
    rows = node.books.rows["audit_logs"]
    edges = node.shown.get("edges", ())
    shown = [rows[edge["node"]["id"]] for edge in edges if edge["node"]["id"] in rows]
    yield from nodes(node)
    yield from page_info(node.shown.get("pageInfo", {}), edges, node.attempt.sent.after)
    about = node.attempt.sent.about_id
    wanted = [row for row in rows.values() if about in (None, row["entity_id"])]
    positions = sorted((int(row["event_position"]) for row in wanted), reverse=True)
    acknowledged = [int(row["event_position"]) for row in shown]
    if acknowledged:
        begin = positions.index(acknowledged[0]) if acknowledged[0] in positions else 0
        if acknowledged != positions[begin : begin + len(acknowledged)]:
            yield "the rows are not the trail's, the latest first"
        older = begin + len(acknowledged) < len(positions)
        if node.shown.get("pageInfo", {}).get("hasNextPage", older) is not older:
            yield f"hasNextPage is {not older}, and there {'are' if older else 'are no'} older rows"
        limit = node.attempt.operation.page_size
        if limit is not None and len(acknowledged) != min(limit, len(positions) - begin):
            yield f"the page has {len(acknowledged)} rows, not {min(limit, len(positions) - begin)}"
    for edge in edges:
        row = rows.get(edge["node"]["id"])
        for shown_name, name in (("oldValues", "old_values"), ("newValues", "new_values")):
            if row is not None and shown_name in edge["node"]:
                text = edge["node"][shown_name]
                if (None if text is None else json.loads(text)) != row[name]:
                    yield f"{shown_name} of row {row['number']} are not the row's"
