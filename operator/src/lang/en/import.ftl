import-workbook = this is a workbook of Excel; save it as CSV (UTF-8) and import that
import-encoding = this is no text in UTF-8, UTF-16 or GB18030; save it as CSV (UTF-8)
import-empty = the file is empty
import-no-rows = there is no row under the header
import-too-large = the file is larger than { $most } MiB; divide it
import-syntax = this is no CSV: { $error }
import-unknown-column = unknown column; known are { $known }
import-no-unit = its unit is missing; write it behind the name, as in facility_kwh or Facility (kWh); known are { $units }
import-unknown-unit = unknown unit { $unit }; known are { $units }
import-two-columns = this is the same column as { $first }
import-no-column = there is no column { $column }
import-no-span-column = there is neither a column { $date } nor a column { $month }
import-ragged = the line has { $found } cells and the header has { $wanted }; put numbers with thousands separators into quotes
import-unnamed = a cell stands under no header
import-no-site = the site is missing
import-other-site = the line is of { $site }, and --dc asks for { $wanted }
import-no-span = the day or the month is missing
import-two-spans = a line is of a day or of a month, and not of both
import-not-a-day = { $text } is no day; write 2025-03-01 or 2025/3/1
import-not-a-month = { $text } is no month; write 2025-03 (in Excel format the cells as text)
import-not-a-number = { $text } is no number; leave the cell empty where nothing is known
import-exponent = { $text } has lost digits; format the column as a number without exponent
import-comma = { $text } has a comma that may be a decimal one; write a point, and no thousands separators
import-negative = { $text } is negative
import-too-big = { $text } is more than any site uses; check the unit
import-not-a-count = { $text } is no count of racks
import-not-a-position = { $text } is no position; write UPS, PDU or Rack
import-not-a-share = { $text } is no percentage from 0 to 100
import-too-long = the text is longer than { $most } characters
import-needed = { $column } is missing; a PUE needs both sides
import-unknown-site = there is no DataCenter { $site }
import-not-over = it is not over: at the site it is { $today }
import-not-closed = the meters have not closed { $last } yet; import the bill when they have
import-before-commissioned = the site is in operation since { $first } (spec.commissioned)
import-too-old = it is older than what a ledger keeps, which begins with { $oldest }
import-duplicate = line { $line } is of the same span
import-no-it-energy = without IT energy there is no PUE
import-it-above-facility = the IT equipment would use { $it } kWh and the whole facility { $facility } kWh; check whether the columns are exchanged
import-above-ten = the facility would use { $facility } kWh for { $it } kWh of IT, a PUE above 10; check the units
import-above-rating = { $used } kWh is more than { $most } kWh, the rated { $rating } kW all the time; check the unit
import-differs = the ledger has { $oldfacility } kWh and IT { $oldit } kWh, the file { $newfacility } kWh and IT { $newit } kWh; with --replace the file's stand
import-differs-beside = the ledger has the same energies and differs in what stands beside them; with --replace the file's stand
import-bill-below-meters = the bill has { $billed } kWh, and { $days ->
    [one] 1 day of the month
   *[other] { $days } days of the month
} in the ledger already { $metered } kWh
import-rest-implausible = what the bill leaves for the { $days ->
    [one] missing day
   *[other] { $days } missing days
} is { $facility } kWh and IT { $it } kWh, which makes no PUE between 1 and 10
import-provenance-too-large = the authors and reasons of this site's imports would need more than { $most } KiB; give shorter notes

import-head-site = SITE
import-head-from = FROM
import-head-to = TO
import-head-new = NEW
import-head-replaced = REPLACED
import-head-unchanged = UNCHANGED
import-head-date = DATE
import-head-old = BEFORE kWh (FACILITY/IT)
import-head-now = NOW kWh (FACILITY/IT)
import-head-month = MONTH
import-head-side = SIDE
import-head-billed = BILLED kWh
import-head-metered = LEDGER kWh
import-head-difference = DIFFERENCE kWh
import-head-percent = %
import-head-days = DAYS
import-head-bill = BILL

import-facility = Facility
import-it = IT
import-compared = compared only
import-one-sided = compared only: one side makes no PUE, so its { $missing ->
    [one] missing day stays
   *[other] { $missing } missing days stay
} missing
import-in-the-way = compared only: { $idle ->
    [one] 1 day
   *[other] { $idle } days
} of it { $idle ->
    [one] does
   *[other] do
} not count; --replace fills { $idle ->
    [one] it
   *[other] them
} from the bill
import-spread = spread over { $days ->
    [one] 1 day
   *[other] { $days } days
}
import-more = … and { $count } more
import-more-problems = … and { $count } more problems
import-refused = nothing was written: { $file } has { $count ->
    [one] 1 problem
   *[other] { $count } problems
}
import-dry-run = dry run: nothing was written
import-nothing = nothing to write: the ledgers say all that the file says
import-written = { $site }: { $days ->
    [one] 1 day
   *[other] { $days } days
} written
import-not-written = { $site }: not written: { $error }
import-half = written: { $done }; not written: { $left }. Importing the file again is harmless: what is there already stays as it is.
import-none = none

import-template-1 = Lines that begin with # are left out. Remove the columns that you do not need.
import-template-2 = A line is of a day (date) or of a month (month), never of both. A month is a bill.
import-template-3 = facility is what the feeds count; generators come on top, and what is excluded is taken off.
import-template-4 = position is UPS, PDU or Rack; coverage is 100 % where it is empty.
