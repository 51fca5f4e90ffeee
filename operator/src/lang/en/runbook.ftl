runbook-alert = ALERT
runbook-severity = SEVERITY
runbook-says = SAYS

severity-info = info
severity-warning = warning
severity-critical = critical
