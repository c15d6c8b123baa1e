"""The Cypher words that write, in one list for all who must refuse them.

The graph looks for them in a text where the engine cannot tell (Graph.query_type); the policy of users' queries refuses
them before anything is sent (queries/policy.py).
"""

UPDATING = frozenset({"CREATE", "MERGE", "SET", "DELETE", "REMOVE", "FOREACH", "INSERT", "DROP", "ALTER"})
"""Clauses that change nodes, relationships, indexes or constraints: no Cypher text can write without one of them."""
RIGHTS = frozenset({"GRANT", "DENY", "REVOKE"})
"""Commands that change what the server's users may do; each can only begin a text."""
