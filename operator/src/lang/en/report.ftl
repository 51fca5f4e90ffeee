report-title-month = Data centre energy: monthly report
report-title-year = Data centre energy: annual report

report-site = Data centre
report-district = District
report-period = Period
report-from = First day
report-to = Last day
report-facility = Facility (kWh)
report-it = IT (kWh)
report-generator = Own generators, in it (kWh)
report-excluded = Other loads, taken off (kWh)
report-renewable = Renewable (kWh)
report-reuse = Reused heat (kWh)
report-water = Water (L)
report-carbon = Carbon (kg CO₂e)
report-pue = PUE
report-target = Target
report-verdict = Verdict
report-reason = Reason
report-category = Category
report-coverage = Coverage (%)
report-days = Days counted
report-missing = Days missing
report-imported = Days imported
report-corrected = Days corrected
report-spread = Days from bills
report-late = Days closed late
report-racks = Racks in use
report-wue = WUE (L/kWh)
report-cue = CUE (kg/kWh)
report-ref = REF
report-erf = ERF
report-marks = Remarks

report-city = City
report-total = Total
report-of-sites = { $count } of { $sites } compliant
report-sums-of = sums of { $count } of { $sites } sites
report-sites = { $sites ->
    [one] 1 site
   *[other] { $sites } sites
    }
report-incomplete = incomplete: whole figures of { $count } of { $sites } sites only
report-count = { $verdict }: { $count }

report-mark-imported = { $days } d imported
report-mark-corrected = { $days } d corrected
report-mark-spread = { $days } d from bills
report-mark-late = { $days } d closed late
report-comma = {", "}
report-semicolon = {"; "}
report-run = { $from } to { $to }

report-reason-within-target = at or under the target
report-reason-above-target = above the target
report-reason-interim = interim PUE of less than 365 days
report-reason-target-is-new = the first target came into force within the period
report-reason-no-target = no target
report-reason-no-data = no day is known on both sides
report-reason-low-coverage = too little is metered
report-reason-month-under-covered = less than 80 % of a month is metered
report-reason-no-it-load = hardly any IT load
report-reason-better-than-perfect = PUE below 1: a feed is not metered
report-reason-meter-suspect = PUE above 10: an IT meter is missing

report-spec-unreadable = the DataCenter cannot be read: { $message }
report-ledger-unreadable = the ledger cannot be read: { $message }

report-note-about = { $what }: { $note }
report-note-open = no verdict: { $reason }
report-note-excess = { $energy } kWh more than the target allows
report-note-missing = { $count ->
    [one] 1 day is in neither sum
   *[other] { $count } days are in neither sum
    }: { $days }
report-note-imported = { $count ->
    [one] 1 day was imported
   *[other] { $count } days were imported
    }: { $days }
report-note-corrected = { $count ->
    [one] 1 day was corrected
   *[other] { $count } days were corrected
    } by a person: { $days }
report-note-spread = { $count ->
    [one] 1 day has
   *[other] { $count } days have
    } an even share of a bill: { $days }
report-note-late = readings that came late changed { $count ->
    [one] 1 closed day
   *[other] { $count } closed days
    }: { $days }
report-note-partly = { $column } is known of { $told } of the { $days } days counted
report-note-import = put in by { $who } on { $at }, { $count ->
    [one] 1 day
   *[other] { $count } days
    } ({ $days }), from { $source }: { $reason }
report-import-person = { $person } ({ $author })
report-import-before = {"; "}before: { $date } { $facility } kWh facility, { $it } kWh IT
report-import-replaced = {"; "}before, on { $count ->
    [one] 1 of them
   *[other] { $count } of them
    }: { $facility } kWh facility, { $it } kWh IT
report-note-interim = interim PUE over { $days ->
    [one] 1 day
   *[other] { $days } days
    }, { $span }
report-note-not-closed = { $months } is not closed yet and is left out
report-note-not-in-operation = not in operation in this period
report-note-left-out = not in the sums, because nothing valid is known of them: { $sites }
report-note-in-part = in the sums with the days that count only, because their own PUE is not valid: { $sites }

report-table-energy = Energy and PUE
report-table-resources = Energy by purpose, water and carbon
report-commissioned = In operation since
report-minimum-coverage = Coverage needed
report-zone = Time zone
report-fact = { $name }: { $value }

report-period-of = Period: { $span }
report-made = Made { $at } by Banyan { $version }
report-headline = PUE, { $label }
report-headline-target = target { $target }
report-curve-title = PUE of { $site }, twelve months
report-curve-caption = PUE by month against the target
report-curve-month = { $month }: { $pue }, { $standing }
report-curve-none = { $month }: no valid PUE
report-legend-met = at or under the target
report-legend-missed = above the target
report-legend-open = no verdict
report-legend-target = target
report-notes = Notes
report-method = Method
report-method-pue = PUE is the energy of the facility divided by the energy of the IT equipment over the same days (ISO/IEC 30134-2). The sums are divided; no ratio is averaged. A day of which too little is metered on either side is in neither sum. The scale of the curves does not begin at 1.
report-method-category = The category, 1 (basic), 2 (intermediate) or 3 (advanced), follows from where the IT energy is metered and how often it is read; the lowest one counts. Coverage is the metered share of the period on the worse side.
report-method-target = The target is weighted by IT energy. The verdict has no tolerance and is found before rounding. Energies are summed in Wh and rounded once to kWh, so columns may differ from their sums in the last digit. WUE, CUE, REF and ERF are those of ISO/IEC 30134-9, -8, -3 and -6, shown where enough of the period is metered.
report-prepared = Prepared by
report-reviewed = Reviewed by
report-approved = Approved by
report-date = Date

report-sheet = Report
