status-site = SITE
status-district = DISTRICT
status-pue = PUE
status-target = TARGET
status-annual = ANNUAL
status-now = NOW
status-operational = OPERATIONAL
status-category = CAT
status-coverage = COVERAGE
status-enforcement = ENFORCEMENT
status-ready = READY

# After the figure of a span of less than 365 days.
status-interim = { $pue }i
status-paused = Paused:{ $actions }
status-remark = { $site }: { $message }
status-none = there are no DataCenters

status-baseline = BASELINE
status-level = LEVEL
status-packs = PACKS
status-fail = FAIL
status-warn = WARN
status-error = ERROR
status-unknown = UNKNOWN
status-manual = MANUAL
status-high-risks = HIGH RISKS
status-score = SCORE
status-reports = REPORTS
status-age = AGE
status-seconds = { $number }s
status-minutes = { $number }m
status-hours = { $number }h
status-days = { $number }d
status-waiver = WAIVER
