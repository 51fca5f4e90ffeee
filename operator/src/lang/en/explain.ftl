explain-title = DataCenter { $name }, { $at } ({ $zone })
explain-unseen = Prometheus cannot be asked from here ({ $reason }): what follows is from the status and the ledger alone.
explain-unseen-nothing = There is neither a status nor a ledger to explain { $name } by.
explain-wrong = The spec cannot be read: { $message }

explain-row-annual = Annual verdict
explain-row-operational = Operational verdict
explain-row-enforcement = Enforcement
explain-row-none = nothing has been judged

explain-head-annual = ANNUAL
explain-head-budget = BUDGET AND FORECAST { $year }
explain-head-operational = OPERATIONAL
explain-head-meters = METERS
explain-head-advice = DOES TAKING LOAD AWAY HELP?
explain-head-enforcement = ENFORCEMENT
explain-head-conditions = CONDITIONS THAT ARE NOT TRUE
explain-head-ways = WHAT WOULD CLEAR IT

# Annual.
explain-annual-within = { $verdict }: PUE { $pue }, at or under its target { $target }
explain-annual-above = { $verdict }: PUE { $pue }, above its target { $target }: { $excess } kWh too much
explain-annual-projected = { $verdict }: PUE { $pue } is at or under its target { $target }, but the calendar year is heading above its own
explain-annual-interim = { $verdict }: interim PUE { $pue } against { $target }; a verdict needs 365 days
explain-annual-new-target = { $verdict }: PUE { $pue }; the first target has not held for 365 days yet
explain-annual-no-target = { $verdict }: PUE { $pue }; there is no target yet to hold it against
explain-annual-coverage = { $verdict }: { $percent } % of the span is metered, { $needed } % are needed
explain-annual-month = { $verdict }: a month is metered too little: { $months }
explain-annual-no-data = { $verdict }: no closed day has valid readings of both sides
explain-annual-no-load = { $verdict }: too little IT energy to divide by
explain-annual-impossible = { $verdict }: IT equipment cannot draw more than its facility; a feed is missing or an IT meter is counted twice
explain-annual-suspect = { $verdict }: the PUE is too high to be true; an IT meter is missing or reads too little
explain-division = { $facility } kWh facility / { $it } kWh IT = { $pue }
explain-division-none = { $facility } kWh facility, { $it } kWh IT; their quotient would not be a valid PUE
explain-span = over { $days } of { $span } days, { $from } to { $to }; { $percent } % metered, { $needed } % needed
explain-excess = { $excess } kWh above what the target allows
explain-room = { $room } kWh below what the target allows
explain-thin-month = { $month } is metered to { $percent } %; every month needs 80 %
explain-category = category { $category } of 3, decided by: { $meters }
explain-category-meter = { $meter } ({ $position }, every { $interval })
explain-left-out = Days that do not count:
explain-left-days = DAYS
explain-left-why = WHY
explain-left-when = WHEN
explain-left-more = and earlier
explain-because-no-row = not in the ledger: Prometheus had no readings
explain-because-missing = a meter was absent
explain-because-suspect = figures contradict each other, or a meter is suspect
explain-because-facility = facility side metered too little
explain-because-it = IT side metered too little
explain-steps = Target { $target }, weighted by IT energy:
explain-step-from = FROM
explain-step-max = TARGET
explain-step-days = DAYS
explain-step-it = IT KWH
explain-step-weight = WEIGHT

# Budget.
explain-budget = { $used } of { $allowed } kWh of overhead are used
explain-budget-exhausted = at the present pace they run out on { $day }
explain-burn = used / allowed: { $rates }
explain-forecast = the year is heading for { $end } against a target of { $target }
explain-required =
    { $days ->
        [one] the last day of the year must keep { $pue }
       *[other] the { $days } days that are left must keep { $pue }
    }
explain-required-none = no PUE in the rest of the year can make up for what is used
explain-next-hour = the next hour is heading for { $pue }

# Operational.
explain-operational = { $verdict } since { $since }: PUE { $pue } in the window that closed at { $until }, target { $target }
explain-operational-bare = { $verdict } since { $since }
explain-operational-blind = { $verdict } since { $since }: meters cannot be read at all; before it was { $before }
explain-operational-invalid = { $verdict } since { $since }: { $why }
explain-window = WINDOW
explain-window-facility = FACILITY KWH
explain-window-it = IT KWH
explain-window-pue = PUE
explain-window-target = TARGET
explain-window-side = COUNTS AS
explain-side-over = over
explain-side-above = above the target, tolerated
explain-side-within = within the target
explain-side-under = under
explain-side-none = no verdict
explain-bands = over: above { $over }; under: at or below { $under }; { $streak } in a row so far
explain-change-clear =
    { $windows ->
        [one] one more window at or below { $level } clears it, at the earliest at { $at }
       *[other] { $windows } more windows in a row at or below { $level } clear it, at the earliest at { $at }
    }
explain-change-violate =
    { $windows ->
        [one] one more window above { $level } violates it, at the earliest at { $at }
       *[other] { $windows } more windows in a row above { $level } violate it, at the earliest at { $at }
    }
explain-invalid-absent = meter { $meter } has no reading in the last window
explain-invalid-coverage = the side { $side } is metered for { $percent } % of the last window, { $needed } % are needed; meter { $meter } has the largest gap
explain-invalid-suspect =
    { $times ->
        [one] meter { $meter } started again or fell once within a day
       *[other] meter { $meter } started again or fell { $times } times within a day
    }
explain-invalid-negative = what is excluded counts { $excess } kWh more than the supply
explain-invalid-load = the IT meters count { $it } kWh, { $needed } kWh are needed
explain-invalid-below-one = the PUE would be { $pue }, and IT equipment cannot draw more than its facility
explain-invalid-above-ten = the PUE would be { $pue }, too high to be true

# Meters.
explain-meter = METER
explain-meter-purpose = PURPOSE
explain-meter-position = AT
explain-meter-last = LAST READING
explain-meter-window = LAST WINDOW
explain-meter-day = 24 H
explain-meter-coverage = COVERED
explain-meter-state = STATE
explain-meter-fine = fine
explain-meter-out = out of service
explain-meter-unread = cannot be read: { $reason }
explain-meter-holds = holds the coverage down
explain-amount-energy = { $amount } kWh
explain-amount-water = { $amount } L
explain-amount-carbon = { $amount } kg
explain-fault-absent = no reading
explain-fault-silent = silent for { $minutes } min
explain-fault-gaps = covers { $percent } %
explain-fault-stuck = stood still for { $minutes } min
explain-fault-resets = started again or fell { $times } times
explain-fault-spikes = { $readings } readings no load explains
explain-position-ups = UPS
explain-position-pdu = PDU
explain-position-rack = Rack

# The model and its advice.
explain-model = overhead = { $fixed } kW + (m · IT); a kWh of IT more costs the facility 1 + m = { $ratio } kWh ({ $low } to { $high }, r² { $squared }, { $days } days)
explain-advice-helps = it helps: that is more than the target { $target } allows, so each deferred kWh takes { $saved } kWh off the year's excess
explain-advice-raises = it would raise the PUE: the target { $target } allows more than that, so each deferred kWh adds { $lost } kWh to the year's excess
explain-advice-no-model = not known: a model needs at least 14 metered days over which the IT load varies
explain-advice-few-days = not known: at least 30 days are needed to act on it
explain-advice-wide = not known: the interval reaches down to the target { $target }
explain-advice-loose = not known: the model explains too little, an r² of 0.5 is needed
explain-advice-meanwhile = with a tenth of the IT load gone the ratio itself would go from { $before } to { $after }

# Enforcement.
explain-mode-observe = Observe
explain-mode-enforce = Enforce
explain-enforcement = { $state } since { $since }
explain-enforcement-why = mode { $mode }, actions { $actions }: { $reason }
explain-enforcement-maintenance = announced work until { $until }: { $reason }
explain-engaged = { $action } since { $since }: { $holds }
explain-next-step = the next step is taken at { $at } at the earliest
explain-holds-growth = new workloads for the site are refused
explain-holds-batch =
    { $objects ->
        [one] holds 1 object, and deferrable Jobs as they are created
       *[other] holds { $objects } objects, and deferrable Jobs as they are created
    }
explain-holds-nodes =
    { $objects ->
        [one] marks 1 Node
       *[other] marks { $objects } Nodes
    }

explain-condition = CONDITION
explain-condition-status = STATUS
explain-condition-reason = REASON
explain-condition-since = SINCE
explain-condition-means = MEANS

# Ways.
explain-way-windows =
    { $windows ->
        [one] operational: one more window at or below { $level } clears it, at the earliest at { $at }
       *[other] operational: { $windows } more windows in a row at or below { $level } clear it, at the earliest at { $at }
    }
explain-way-readings = operational: a valid window; get readings of every meter that the PUE needs
explain-way-readings-meter = operational: a valid window; look at meter { $meter }
explain-way-load = load: fill the site from { $now } kW to { $needed } kW of IT, or lower what it draws when idle
explain-way-overhead = year: { $total } kWh less overhead by { $until }, that is { $daily } kWh less a day, so that the rest keeps { $pue }
explain-way-overhead-none = year: the year cannot meet its target any more: even without any overhead until { $until } it would be missed ({ $total } kWh too much)
explain-way-on-target = annual: if each day from now on keeps its target exactly, the span is at its target again on { $day }
explain-way-on-target-never = annual: keeping the target exactly does not bring the span back within a year
explain-way-keep = annual: a PUE of { $pue } for { $days } days brings the span back to its target by { $until }
explain-way-coverage =
    { $days ->
        [0] annual: bring back the readings of { $months }
        [one] annual: one day more must count; see the days that do not, above
       *[other] annual: { $days } days more must count; see the days that do not, above
    }
explain-way-wait = annual: nothing but time; with no day missed there is a verdict after { $until }
explain-way-none = nothing is wrong
explain-way-unknown = the conditions above name what to do next
explain-imported = a person has put in { $days } of these days, { $corrected } of them in place of others
explain-head-contested = Contested
explain-contested = { $object }: { $manager } has set { $fields } back, which { $action } had set; set again { $rounds } times so far
explain-contested-left = { $object }: { $manager } sets { $fields } back whenever { $action } sets it; set again { $rounds } times, left alone since { $since }, and tried again once an hour
explain-contested-end = to end it, { $advice }:
