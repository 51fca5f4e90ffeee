audit-run-unread = cannot be read, so what depends on it is unknown: { $kind }
audit-run-new = { $findings } findings are not in the earlier audit
audit-run-nothing-matched = nothing matched: none of { $objects } objects is of a kind that these controls judge
