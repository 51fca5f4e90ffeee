audit-heading = Security baseline: audit report
audit-pre-check = This is a pre-check, not certification.
audit-looked-at = { $objects ->
    [one] 1 object
   *[other] { $objects } objects
} looked at; valid at { $at }.
audit-valid-at = Valid at { $at }.
audit-made = Made by Banyan { $version }.
audit-fault = Not read: { $fault }
audit-unread = Could not be read, what depends on them is unknown: { $kinds }
audit-unread-says = Could not be read, what depends on them is unknown:
audit-nothing-matched = Nothing matched: no control had an object to judge.
audit-counts = Findings: { $pass } pass, { $fail } fail, { $warn } warn, { $error } error, { $unknown } unknown, { $skip } waived.
audit-score = { $name } ({ $standard }, level { $level }): { $figures }
audit-concluded = { $conclusion }; { $figures }
audit-figures = { $points } points, { $rate } % compliant, { $undecided } of { $counted } items undecided.
audit-no-score = { $name } ({ $standard }, level { $level }): no item counts.

audit-verdicts = Verdicts
audit-by-clause = Verdict by clause
audit-high-risks = High risks
audit-high-risk = { $title }: { $objects ->
    [one] 1 object fails
   *[other] { $objects } objects fail
}, { $waived } waived
audit-high-risk-tag = high risk
audit-waivers = Waivers
audit-findings = Findings
audit-no-findings = No finding.
audit-notes = Notes
audit-sheet-record = Field record
audit-sheet-findings = Findings
audit-rows-left-out = Only the first { $rows } rows are here: a sheet has no more.
audit-left-out = { $shown } places are shown, the most severe first; { $left } more are in the other forms of this report.

audit-pack = Pack
audit-level = Level
audit-at-level = level { $level }
audit-control = Control
audit-title = Title
audit-severity = Severity
audit-result = Result
audit-namespace = Namespace
audit-kind = Kind
audit-name = Name
audit-path = Path
audit-message = What is wrong
audit-evidence = Evidence
audit-clause = Clause
audit-clauses = Clauses
audit-items = Test items
audit-test-item = Test item
audit-point = Control point
audit-requirement = Requirement
audit-object = Object
audit-all-objects = all
audit-record = Result record
audit-conformity = Conformity
audit-type = Type
audit-waiver = Waiver
audit-state = State
audit-expires = Expires
audit-uses = Findings covered
audit-approved-by = Approved by
audit-reason = Reason
audit-file = File
audit-line = Line
audit-remediation = What to change
audit-why = Why
audit-failing = Objects failing
audit-optional = optional
audit-verdict = Verdict

audit-filter = Search and filter
audit-search = Search
audit-any = all
audit-reset = Reset
audit-found = Findings shown:
audit-skip = To the findings

audit-control-head = { $severity }  { $control }  { $title } ({ $clauses }): { $fail } of { $objects } fail
audit-control-says = { $objects } judged: { $pass } pass, { $fail } fail, { $skip } waived, { $open } undecided
audit-counted = { $control }: { $objects } judged, { $pass } pass, { $fail } fail, { $skip } waived, { $open } undecided
audit-more = and { $count } more
audit-fix = Change: { $fix }
audit-waived-by = waived by { $waiver }
audit-waived-until = waived by { $waiver } until { $until }
audit-attested = Attested by { $by } until { $until }: { $evidence }

audit-part-general = general
audit-part-cloud = cloud
audit-part-iot = Internet of Things

audit-verdict-compliant = Compliant
audit-verdict-partial = Partial
audit-verdict-non-compliant = NonCompliant
audit-verdict-not-applicable = NotApplicable
audit-verdict-manual-due = ManualDue
audit-verdict-unknown = Unknown

audit-outcome-pass = pass
audit-outcome-fail = fail
audit-outcome-warn = warn
audit-outcome-error = error
audit-outcome-unknown = unknown
audit-outcome-skip = waived

audit-severity-critical = critical
audit-severity-high = high
audit-severity-medium = medium
audit-severity-low = low
audit-severity-info = info

audit-kind-automatic = decided by machine
audit-kind-partial = evidence by machine
audit-kind-attested = attested by a person
audit-kind-platform = of the platform

audit-waiver-pending = Pending
audit-waiver-active = Active
audit-waiver-expired = Expired
audit-waiver-unused = Unused

audit-conclusion-excellent = excellent
audit-conclusion-good = good
audit-conclusion-fair = fair
audit-conclusion-poor = poor
audit-conclusion-conforming = conforming
audit-conclusion-basically-conforming = basically conforming
audit-conclusion-non-conforming = not conforming
audit-conclusion-undecided = undecided

audit-area-physical = secure physical environment
audit-area-network = secure communication network
audit-area-boundary = secure area boundary
audit-area-computing = secure computing environment
audit-area-management-centre = security management centre
audit-area-policy = security management policy
audit-area-organisation = security management organisation
audit-area-staff = security management of staff
audit-area-construction = security management of construction
audit-area-operations = security management of operations

audit-why-attested = attested
audit-why-platform = a matter of the platform that is not seen from here
audit-why-no-control = no control looks at it
audit-why-expired = the attestation has expired
audit-why-not-attested = nobody has attested it
audit-why-high-risk = a high risk stands
audit-why-unseen = it could not be seen
audit-why-all-waived = everything that was seen is waived
audit-why-attested-only = attested; there is nothing to judge
audit-why-nothing-to-judge = there was nothing to judge
audit-why-nothing-asked = there is nothing that it asks of
audit-why-nothing-holds = nothing that was seen holds it
audit-why-not-everything = not everything holds it
audit-why-rest-unseen = what was seen holds it, the rest could not be seen
audit-why-but-waived = held, but for what is waived
audit-why-held-and-attested = held, and attested
audit-why-held = held
audit-why-rest-expired = what is seen holds it, the attestation of the rest has expired
audit-why-rest-to-attest = what is seen holds it, the rest is for a person to attest

audit-told-at = What the operator has told, as it stands at { $at }. Findings are those that its reports keep.
audit-score-not-told = { $name } ({ $standard }, level { $level }): the status has no figures of this pack.
audit-control-head-told = { $severity }  { $control }  { $title } ({ $clauses }): { $fail } fail
audit-control-told = in reports: { $fail } fail, { $skip } waived, { $open } undecided
audit-clause-told = { $objects } judged, { $fail } fail
audit-open = Open
audit-days = { $days ->
    [one] 1 day
   *[other] { $days } days
}
audit-open-since = { $days ->
    [one] open since { $since } (1 day)
   *[other] open since { $since } ({ $days } days)
}
audit-trend = The last 30 days
audit-trend-fail = Failing results
audit-trend-warn = Warnings
audit-trend-share = Clauses met, percent
audit-trend-score = Score
audit-trend-table = The figures, day by day (UTC)
audit-trend-day = Day
audit-trend-compliant = Clauses met
audit-trend-clauses = All clauses
audit-no-trend = The ledger has no day yet.
