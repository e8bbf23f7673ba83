"""The built-in dictionary: the JSON skeletons that every small pack repeats.

Part of the pack format: a change to these bytes is a new dictionary with a new digest, and the old one stays readable.
So add to `BUILT_IN` and never edit an entry. Later bytes are cheaper to point at, so the most frequent come last.
"""

from __future__ import annotations

from outlive.core.packs import Dictionary, dictionary_of

_ENTRY = (
    ',"userType":"external","entrypoint":"sdk-py","cwd":"/tmp/work","sessionId":"","version":"2.1.329",'
    '"gitBranch":"HEAD"}'
)

_SKELETONS = (
    (
        '{"type":"queue-operation","operation":"enqueue","timestamp":"2026-01-01T00:00:00.000Z","sessionId":"'
        '","content":""}'
    ),
    ('{"type":"queue-operation","operation":"dequeue","timestamp":"2026-01-01T00:00:00.000Z","sessionId":""}'),
    ('{"type":"tools-used","tools":["Bash"],"sessionId":""}'),
    ('{"type":"atis-latch","atis":"","sessionId":""}'),
    ('{"type":"mode","mode":"normal","sessionId":""}'),
    ('{"type":"last-prompt","lastPrompt":"","leafUuid":"","sessionId":""}'),
    (
        '{"parentUuid":"","isSidechain":false,"attachment":{"type":"date","date":"2026-01-01"},"type":"attach'
        'ment","uuid":"","timestamp":"2026-01-01T00:00:00.000Z","rendered":[{"content":"<system-reminder>\\n</'
        'system-reminder>"}],"renderedRole":"system"'
    )
    + _ENTRY,
    (
        '{"parentUuid":"","isSidechain":false,"attachment":{"type":"total_tokens_reminder","text":"<total_tok'
        'ens>14999868 tokens left</total_tokens>"},"type":"attachment","uuid":"","timestamp":"2026-01-01T00:0'
        '0:00.000Z","rendered":[{"content":"<system-reminder>\\n<total_tokens>14999868 tokens left</total_toke'
        'ns>\\n</system-reminder>"}],"renderedRole":"system"'
    )
    + _ENTRY,
    (
        '{"parentUuid":"","isSidechain":false,"promptId":"","type":"user","message":{"role":"user","content":'
        '[{"tool_use_id":"toolu_01","type":"tool_result","content":"","is_error":false}]},"uuid":"","timestam'
        'p":"2026-01-01T00:00:00.000Z","toolUseResult":{"stdout":"","stderr":"","interrupted":false,"isImage"'
        ':false,"noOutputExpected":false},"sourceToolAssistantUUID":"","permissionDecision":{"decision":"acce'
        'pt","source":"config","reasonType":"rule"}'
    )
    + _ENTRY,
    (
        '{"type":"api-request-blob","sessionId":"","hash":"","message":{"role":"assistant","content":[{"type"'
        ':"text","text":""}]}}'
    ),
    (
        '{"type":"api-request-blob","sessionId":"","hash":"","message":{"role":"user","content":[{"type":"tex'
        't","text":""}]}}'
    ),
    (
        '{"type":"api-request","sessionId":"","id":"","timestamp":"2026-01-01T00:00:00.000Z","version":"2.1.3'
        '29","querySource":"sdk","shapeHash":"","params":{"model":"claude-sonnet-4-5","betas":["claude-code-2'
        '0250219","interleaved-thinking-2025-05-14","context-management-2025-06-27"],"max_tokens":32000,"thin'
        'king":{"budget_tokens":31999,"type":"enabled","display":"updates"},"context_management":{"edits":[{"'
        'type":"clear_thinking_20251015","keep":"all"}]}},"base":"","keep":2,"tail":["",""],"cacheControl":[{'
        '"path":["system",0],"value":{"type":"ephemeral"}},{"path":["system",1],"value":{"type":"ephemeral"}}'
        ',{"path":["messages",0,"content",8],"value":{"type":"ephemeral"}}],"requestDigest":""}'
    ),
    (
        '{"parentUuid":"","isSidechain":false,"message":{"id":"msg_01","type":"message","role":"assistant","m'
        'odel":"claude-sonnet-4-5","content":[{"type":"tool_use","id":"toolu_01","name":"Bash","input":{"comm'
        'and":""}}],"stop_reason":"tool_use","stop_sequence":null,"usage":{"input_tokens":100,"cache_creation'
        '_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":20,"output_tokens_details":{"thinking_t'
        'okens":0},"server_tool_use":{"web_search_requests":0,"web_fetch_requests":0},"service_tier":"standar'
        'd","cache_creation":{"ephemeral_1h_input_tokens":0,"ephemeral_5m_input_tokens":0},"inference_geo":""'
        ',"iterations":[],"speed":"standard","fallback_credit":null},"stop_details":null},"toolInputStreamMs"'
        ':2,"apiBlockIndex":1,"requestRef":"","requestedModel":"claude-sonnet-4-5","promptCacheRequested":"5m'
        '","type":"assistant","uuid":"","timestamp":"2026-01-01T00:00:00.000Z","perTurnEffort":null,"madeBy":'
        '"model"'
    )
    + _ENTRY,
    (
        '{"type":"cost-state","sessionId":"","totalCostUSD":0.0025,"totalAPIDuration":170,"totalAPIDurationWi'
        'thoutRetries":164,"totalToolDuration":54,"totalLinesAdded":1,"totalLinesRemoved":0,"totalDuration":6'
        '28,"startTime":1795229347931,"modelUsage":{"claude-sonnet-4-5":{"inputTokens":400,"outputTokens":80,'
        '"thinkingTokens":0,"cacheReadInputTokens":20,"cacheCreationInputTokens":28,"cacheCreationEphemeral5m'
        'InputTokens":0,"cacheCreationEphemeral1hInputTokens":0,"webSearchRequests":0,"costUSD":0.0025}},"has'
        'UnknownModelCost":false}'
    ),
    (
        '{"parentUuid":"","isSidechain":false,"promptId":"","type":"user","message":{"role":"user","content":'
        '""},"uuid":"","timestamp":"2026-01-01T00:00:00.000Z","permissionMode":"dontAsk","promptSource":"sdk"'
        ',"turnOrigin":"sdk","turnPosition":{"promptIndex":0,"turnIndex":1}'
    )
    + _ENTRY,
    (
        '{"turn":1,"version":1,"at":1795229347.931,"message_id":"","session_key":"local:console:","sender":""'
        ',"text":"","reply":"","agent_session_id":"","stop_reason":"end_turn","is_error":false,"usd":0.0025,"'
        'input_tokens":0,"output_tokens":0,"cache_read_tokens":0,"cache_write_tokens":0,"fence":1,"worker":""'
        "}"
    ),
    (
        '{"agent_session_id":"","base":"00000001-00000001-0001","files":{"config/projects/session/.jsonl":[0,'
        '384,"",[[0,0,1229],[1,0,1277]]],"ledger.jsonl":[0,384,"",[[0,1229,1084],[1,1277,1098]]],"work/":[1,4'
        '20,"",[[2,0,100]]]},"kind":"commit","message_id":"","packs":[["00000001-00000001-0001",797,"",2313,0'
        '],["00000002-00000002-0001",881,"",2375,0]],"previous":"00000003-00000003-0001","session":"000000000'
        '000"}'
    ),
)

SMALL_PACKS: Dictionary = dictionary_of("\n".join(_SKELETONS).encode())
"""What a small pack is compressed against when no dictionary of its tenant fits better."""

BUILT_IN: dict[bytes, Dictionary] = {SMALL_PACKS.digest: SMALL_PACKS}
"""Every dictionary that needs no read, by digest."""


def is_stored(digest: bytes | None) -> bool:
    """Whether this dictionary lies in the object store."""
    return digest is not None and digest not in BUILT_IN
