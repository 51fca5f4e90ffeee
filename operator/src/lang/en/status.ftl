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
