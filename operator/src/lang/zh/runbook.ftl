runbook-alert = 告警
runbook-severity = 级别
runbook-says = 含义

severity-info = 提示
severity-warning = 警告
severity-critical = 严重
