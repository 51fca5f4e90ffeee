//! The explanation of a `DataCenter` as a page for people.

use banyan_crds::v1alpha1::{Purpose, Verdict};
use jiff::{Timestamp, tz::TimeZone};

use super::{
    numbers::{clock, grouped, instant, length, level, percent, pue, whole},
    words as say,
};
use crate::{
    cli::table,
    datacenter::{
        explain::{Amount, Explanation, MeterWhy, Way},
        verdict::reasons,
    },
    lang::{Lang, reasons as meanings, words},
    t,
};

mod contested;

/// The whole explanation.
pub fn text(told: &Explanation, lang: Lang) -> String {
    let zone = TimeZone::get(&told.time_zone).unwrap_or(TimeZone::UTC);
    let mut page = Page { told, lang, zone, text: String::new() };
    page.title();
    page.annual();
    page.budget();
    page.operational();
    page.meters();
    page.advice();
    page.enforcement();
    page.contested();
    page.conditions();
    page.ways();
    page.text
}

/// A page that is being written.
struct Page<'a> {
    told: &'a Explanation,
    lang: Lang,
    zone: TimeZone,
    text: String,
}

impl Page<'_> {
    fn line(&mut self, text: &str) {
        self.text.push_str(text);
        self.text.push('\n');
    }

    fn head(&mut self, text: &str) {
        self.text.push('\n');
        self.line(text);
    }

    fn item(&mut self, text: &str) {
        self.line(&format!("  {text}"));
    }

    fn table(&mut self, header: &[String], rows: &[Vec<String>]) {
        for line in table::render(header, rows).lines() {
            self.line(&format!("    {line}"));
        }
    }

    fn at(&self, at: Timestamp) -> String {
        instant(at, &self.zone)
    }

    fn title(&mut self) {
        let lang = self.lang;
        let told = self.told;
        let at = self.at(told.at);
        self.line(&t!(
            lang,
            "explain-title",
            name = told.name.as_str(),
            at = at,
            zone = told.time_zone.as_str()
        ));
        if let Some(unseen) = &told.unseen {
            let reason = meanings::meaning(lang, unseen.reason).unwrap_or_else(|| unseen.reason.to_owned());
            self.line(&t!(lang, "explain-unseen", reason = reason));
        }
        if let Some(wrong) = &told.wrong {
            self.line(&t!(lang, "explain-wrong", message = wrong.message.as_str()));
            return;
        }
        self.line("");
        let none = || t!(lang, "explain-row-none");
        let enforcement = told.enforcement.as_ref().map(|enforcement| {
            t!(
                lang,
                "explain-enforcement",
                state = words::enforcement(lang, enforcement.state),
                since = self.at(enforcement.since)
            )
        });
        let mut rows = vec![
            (t!(lang, "explain-row-annual"), self.annual_sentence().unwrap_or_else(none)),
            (t!(lang, "explain-row-operational"), self.operational_sentence().unwrap_or_else(none)),
        ];
        rows.extend(enforcement.map(|sentence| (t!(lang, "explain-row-enforcement"), sentence)));
        let rows: Vec<Vec<String>> = rows.into_iter().map(|(name, text)| vec![name, text]).collect();
        for line in table::render(&["", ""], &rows).lines().skip(1) {
            self.item(line);
        }
    }

    fn annual_sentence(&self) -> Option<String> {
        let (lang, annual) = (self.lang, self.told.annual.as_ref()?);
        let verdict = words::verdict(lang, annual.verdict);
        let value = annual.value.map_or_else(|| "-".to_owned(), pue);
        let target = annual.target.map_or_else(|| "-".to_owned(), pue);
        let excess = whole(annual.excess_kilowatt_hours.unwrap_or(0.0).ceil() as i64);
        Some(match annual.reason {
            reasons::WITHIN_TARGET => {
                t!(lang, "explain-annual-within", verdict = verdict, pue = value, target = target)
            }
            reasons::ABOVE_TARGET => t!(
                lang,
                "explain-annual-above",
                verdict = verdict,
                pue = value,
                target = target,
                excess = excess
            ),
            reasons::PROJECTED_ABOVE_TARGET => {
                t!(lang, "explain-annual-projected", verdict = verdict, pue = value, target = target)
            }
            reasons::INTERIM => {
                t!(lang, "explain-annual-interim", verdict = verdict, pue = value, target = target)
            }
            reasons::TARGET_IS_NEW => t!(lang, "explain-annual-new-target", verdict = verdict, pue = value),
            reasons::NO_TARGET => t!(lang, "explain-annual-no-target", verdict = verdict, pue = value),
            reasons::LOW_COVERAGE => t!(
                lang,
                "explain-annual-coverage",
                verdict = verdict,
                percent = percent(annual.coverage_percent),
                needed = percent(annual.minimum_coverage_percent)
            ),
            reasons::MONTH_UNDER_COVERED => {
                let months: Vec<_> = annual.thin_months.iter().map(|month| month.month.clone()).collect();
                t!(lang, "explain-annual-month", verdict = verdict, months = say::list(lang, &months))
            }
            reasons::NO_IT_LOAD => t!(lang, "explain-annual-no-load", verdict = verdict),
            reasons::BETTER_THAN_PERFECT => t!(lang, "explain-annual-impossible", verdict = verdict),
            reasons::METER_SUSPECT => t!(lang, "explain-annual-suspect", verdict = verdict),
            _ => t!(lang, "explain-annual-no-data", verdict = verdict),
        })
    }

    fn annual(&mut self) {
        let (lang, told) = (self.lang, self.told);
        let Some(annual) = &told.annual else { return };
        self.head(&t!(lang, "explain-head-annual"));
        let (facility, it) = (whole(annual.facility_kilowatt_hours), whole(annual.it_kilowatt_hours));
        self.item(&match annual.value {
            Some(value) => t!(lang, "explain-division", facility = facility, it = it, pue = pue(value)),
            None => t!(lang, "explain-division-none", facility = facility, it = it),
        });
        if let Some((from, to)) = annual.from.zip(annual.to) {
            self.item(&t!(
                lang,
                "explain-span",
                days = annual.days,
                span = annual.span_days,
                from = from.to_string(),
                to = to.to_string(),
                percent = percent(annual.coverage_percent),
                needed = percent(annual.minimum_coverage_percent)
            ));
        }
        if annual.imported_days > 0 {
            let (days, corrected) = (annual.imported_days, annual.corrected_days);
            self.item(&t!(lang, "explain-imported", days = days, corrected = corrected));
        }
        match annual.excess_kilowatt_hours {
            Some(excess) if excess > 0.0 => {
                self.item(&t!(lang, "explain-excess", excess = whole(excess.ceil() as i64)));
            }
            Some(room) => self.item(&t!(lang, "explain-room", room = whole((-room).floor() as i64))),
            None => {}
        }
        for month in &annual.thin_months {
            self.item(&t!(
                lang,
                "explain-thin-month",
                month = month.month.as_str(),
                percent = percent(month.coverage_percent)
            ));
        }
        if let Some(category) = &told.category {
            let decided: Vec<_> = category
                .decided
                .iter()
                .map(|decided| {
                    let position = decided.position;
                    t!(
                        lang,
                        "explain-category-meter",
                        meter = decided.meter.as_str(),
                        position = position.map_or_else(|| "-".to_owned(), |at| say::position(lang, at)),
                        interval = length(decided.interval_milliseconds)
                    )
                })
                .collect();
            self.item(&t!(
                lang,
                "explain-category",
                category = category.category,
                meters = say::list(lang, &decided)
            ));
        }
        if !annual.steps.is_empty() {
            let target = annual.target.map_or_else(|| "-".to_owned(), pue);
            self.item(&t!(lang, "explain-steps", target = target));
            let header = [
                t!(lang, "explain-step-from"),
                t!(lang, "explain-step-max"),
                t!(lang, "explain-step-days"),
                t!(lang, "explain-step-it"),
                t!(lang, "explain-step-weight"),
            ];
            let rows: Vec<_> = annual
                .steps
                .iter()
                .map(|step| {
                    vec![
                        step.from.to_string(),
                        level(step.max),
                        step.days.to_string(),
                        whole(step.it_kilowatt_hours),
                        format!("{:.1} %", step.weight_percent),
                    ]
                })
                .collect();
            self.table(&header, &rows);
        }
        if !annual.left_out.is_empty() {
            self.left_out();
        }
    }

    fn left_out(&mut self) {
        let lang = self.lang;
        self.item(&t!(lang, "explain-left-out"));
        let header =
            [t!(lang, "explain-left-days"), t!(lang, "explain-left-why"), t!(lang, "explain-left-when")];
        let left_out = self.told.annual.iter().flat_map(|annual| &annual.left_out);
        let rows: Vec<_> = left_out
            .map(|left| {
                let named: i64 =
                    left.spans.iter().map(|(from, to)| i64::from((*to - *from).get_days()) + 1).sum();
                let mut spans: Vec<_> = left
                    .spans
                    .iter()
                    .map(|(from, to)| if from == to { from.to_string() } else { format!("{from} – {to}") })
                    .collect();
                if named < left.days {
                    spans.push(t!(lang, "explain-left-more"));
                }
                vec![left.days.to_string(), say::because(lang, left.because), say::list(lang, &spans)]
            })
            .collect();
        self.table(&header, &rows);
    }

    fn budget(&mut self) {
        let lang = self.lang;
        let Some(budget) = &self.told.budget else { return };
        self.head(&t!(lang, "explain-head-budget", year = budget.year.to_string()));
        self.item(&t!(
            lang,
            "explain-budget",
            used = whole(budget.used_kilowatt_hours),
            allowed = whole(budget.allowed_kilowatt_hours)
        ));
        if let Some(day) = budget.exhausted_on {
            self.item(&t!(lang, "explain-budget-exhausted", day = day.to_string()));
        }
        if !budget.burn_rates.is_empty() {
            let rates: Vec<_> =
                budget.burn_rates.iter().map(|(window, rate)| format!("{window} {rate:.2}")).collect();
            self.item(&t!(lang, "explain-burn", rates = say::list(lang, &rates)));
        }
        if let Some((end, target)) = budget.year_end.zip(budget.year_target) {
            self.item(&t!(lang, "explain-forecast", end = pue(end), target = pue(target)));
        }
        self.item(&match budget.required_for_rest_of_year {
            Some(required) => {
                t!(lang, "explain-required", days = budget.days_left, pue = pue(required))
            }
            None => t!(lang, "explain-required-none"),
        });
        if let Some(next) = budget.next_hour {
            self.item(&t!(lang, "explain-next-hour", pue = pue(next)));
        }
    }

    fn operational_sentence(&self) -> Option<String> {
        let (lang, operational) = (self.lang, self.told.operational.as_ref()?);
        let verdict = words::verdict(lang, operational.verdict);
        let since = self.at(operational.since);
        Some(if let Some(blind) = &operational.blind {
            let since = self.at(blind.since);
            let before = words::verdict(lang, blind.last_known.unwrap_or_default());
            t!(lang, "explain-operational-blind", verdict = verdict, since = since, before = before)
        } else if let Some(invalid) = &operational.invalid {
            let why = say::invalid(lang, invalid);
            t!(lang, "explain-operational-invalid", verdict = verdict, since = since, why = why)
        } else if let (Some(value), Some(until), Some(target), true) = (
            operational.value,
            operational.until,
            operational.target,
            operational.verdict != Verdict::Unknown,
        ) {
            t!(
                lang,
                "explain-operational",
                verdict = verdict,
                since = since,
                pue = pue(value),
                until = self.at(until),
                target = level(target)
            )
        } else {
            t!(lang, "explain-operational-bare", verdict = verdict, since = since)
        })
    }

    fn operational(&mut self) {
        let (lang, told) = (self.lang, self.told);
        let Some(operational) = &told.operational else { return };
        if operational.windows.is_empty() && operational.change.is_none() {
            return;
        }
        self.head(&t!(lang, "explain-head-operational"));
        if !operational.windows.is_empty() {
            let header = [
                t!(lang, "explain-window"),
                t!(lang, "explain-window-facility"),
                t!(lang, "explain-window-it"),
                t!(lang, "explain-window-pue"),
                t!(lang, "explain-window-target"),
                t!(lang, "explain-window-side"),
            ];
            let dash = || "-".to_owned();
            let rows: Vec<_> = operational
                .windows
                .iter()
                .map(|window| {
                    let energy = |kwh: Option<f64>| kwh.map_or_else(dash, |kwh| grouped(kwh, 1));
                    let why = window.invalid.and_then(|reason| meanings::meaning(lang, reason));
                    vec![
                        format!("{} – {}", self.at(window.from), clock(window.to, &self.zone)),
                        energy(window.facility_kilowatt_hours),
                        energy(window.it_kilowatt_hours),
                        window.value.map_or_else(dash, pue),
                        window.target.map_or_else(dash, level),
                        why.unwrap_or_else(|| say::side(lang, window.side)),
                    ]
                })
                .collect();
            self.table(&header, &rows);
        }
        if let Some((over, under)) = operational.over.zip(operational.under) {
            self.item(&t!(
                lang,
                "explain-bands",
                over = level(over),
                under = level(under),
                streak = operational.streak
            ));
        }
        if let Some(change) = operational.change {
            let (level, at) = (level(change.level), self.at(change.earliest));
            self.item(&if operational.verdict == Verdict::Violated {
                t!(lang, "explain-change-clear", windows = change.windows, level = level, at = at)
            } else {
                t!(lang, "explain-change-violate", windows = change.windows, level = level, at = at)
            });
        }
    }

    fn meters(&mut self) {
        let (lang, told) = (self.lang, self.told);
        if told.meters.is_empty() {
            return;
        }
        self.head(&t!(lang, "explain-head-meters"));
        let header = [
            t!(lang, "explain-meter"),
            t!(lang, "explain-meter-purpose"),
            t!(lang, "explain-meter-position"),
            t!(lang, "explain-meter-last"),
            t!(lang, "explain-meter-window"),
            t!(lang, "explain-meter-coverage"),
            t!(lang, "explain-meter-day"),
            t!(lang, "explain-meter-coverage"),
            t!(lang, "explain-meter-state"),
        ];
        let dash = || "-".to_owned();
        let rows: Vec<_> = told
            .meters
            .iter()
            .map(|meter| {
                let amount = |of: Option<Amount>| of.map_or_else(dash, |of| amount(lang, meter.purpose, of));
                let covered = |of: Option<Amount>| {
                    of.map_or_else(dash, |of| format!("{} %", percent(of.coverage_percent)))
                };
                vec![
                    meter.name.clone(),
                    words::purpose(lang, meter.purpose),
                    meter.position.map_or_else(dash, |position| say::position(lang, position)),
                    meter.last.map_or_else(dash, |last| self.at(last)),
                    amount(meter.window),
                    covered(meter.window),
                    amount(meter.day),
                    covered(meter.day),
                    state(lang, meter),
                ]
            })
            .collect();
        self.table(&header, &rows);
    }

    fn advice(&mut self) {
        let lang = self.lang;
        let Some(advice) = &self.told.advice else { return };
        self.head(&t!(lang, "explain-head-advice"));
        for line in say::advice(lang, advice) {
            self.item(&line);
        }
    }

    fn enforcement(&mut self) {
        let lang = self.lang;
        let Some(enforcement) = &self.told.enforcement else { return };
        self.head(&t!(lang, "explain-head-enforcement"));
        let reason = meanings::meaning(lang, &enforcement.reason);
        let actions: Vec<_> = enforcement.actions.iter().map(|action| words::action(lang, *action)).collect();
        self.item(&t!(
            lang,
            "explain-enforcement-why",
            mode = say::mode(lang, enforcement.mode),
            actions = if actions.is_empty() { "-".to_owned() } else { say::list(lang, &actions) },
            reason = reason.unwrap_or_else(|| "-".to_owned())
        ));
        if let Some((reason, until)) = &enforcement.maintenance {
            let until = self.at(*until);
            self.item(&t!(lang, "explain-enforcement-maintenance", until = until, reason = reason.as_str()));
        }
        for engaged in &enforcement.engaged {
            let since = self.at(engaged.since);
            self.item(&t!(
                lang,
                "explain-engaged",
                action = words::action(lang, engaged.action),
                since = since,
                holds = say::holds(lang, engaged.action, engaged.holds)
            ));
            if !engaged.objects.is_empty() {
                let more = (engaged.holds > engaged.objects.len()).then(|| "…".to_owned());
                let objects: Vec<_> = engaged.objects.iter().cloned().chain(more).collect();
                self.item(&format!("  {}", say::list(lang, &objects)));
            }
        }
        if let Some(at) = enforcement.next_step {
            let at = self.at(at);
            self.item(&t!(lang, "explain-next-step", at = at));
        }
    }

    fn conditions(&mut self) {
        let lang = self.lang;
        if self.told.conditions.is_empty() {
            return;
        }
        self.head(&t!(lang, "explain-head-conditions"));
        let header = [
            t!(lang, "explain-condition"),
            t!(lang, "explain-condition-status"),
            t!(lang, "explain-condition-reason"),
            t!(lang, "explain-condition-since"),
            t!(lang, "explain-condition-means"),
        ];
        let rows: Vec<_> = self
            .told
            .conditions
            .iter()
            .map(|condition| {
                let means = meanings::meaning(lang, &condition.reason);
                vec![
                    condition.kind.clone(),
                    words::truth(lang, &condition.status),
                    condition.reason.clone(),
                    self.at(condition.since),
                    means.unwrap_or_else(|| "-".to_owned()),
                ]
            })
            .collect();
        self.table(&header, &rows);
    }

    fn ways(&mut self) {
        let (lang, told) = (self.lang, self.told);
        self.head(&t!(lang, "explain-head-ways"));
        for way in &told.ways {
            let line = self.way(way);
            self.item(&format!("- {line}"));
        }
        if told.ways.is_empty() {
            self.item(&if told.conditions.is_empty() && told.wrong.is_none() {
                t!(lang, "explain-way-none")
            } else {
                t!(lang, "explain-way-unknown")
            });
        }
    }

    fn way(&self, way: &Way) -> String {
        let lang = self.lang;
        match way {
            Way::Windows { windows, level: bound, earliest } => t!(
                lang,
                "explain-way-windows",
                windows = *windows,
                level = level(*bound),
                at = self.at(*earliest)
            ),
            Way::Readings { meter: Some(meter) } => {
                t!(lang, "explain-way-readings-meter", meter = meter.as_str())
            }
            Way::Readings { meter: None } => t!(lang, "explain-way-readings"),
            Way::Overhead { kilowatt_hours, kilowatt_hours_a_day, value, until } => {
                let total = whole(kilowatt_hours.ceil() as i64);
                let until = until.to_string();
                match value {
                    Some(value) => t!(
                        lang,
                        "explain-way-overhead",
                        total = total,
                        daily = whole(kilowatt_hours_a_day.ceil() as i64),
                        until = until,
                        pue = pue(*value)
                    ),
                    None => t!(lang, "explain-way-overhead-none", total = total, until = until),
                }
            }
            Way::OnTarget { on: Some(day) } => t!(lang, "explain-way-on-target", day = day.to_string()),
            Way::OnTarget { on: None } => t!(lang, "explain-way-on-target-never"),
            Way::KeepFor { days, value, until } => {
                t!(lang, "explain-way-keep", days = *days, pue = pue(*value), until = until.to_string())
            }
            Way::Load { kilowatts, now_kilowatts } => t!(
                lang,
                "explain-way-load",
                now = say::kilowatts(*now_kilowatts),
                needed = say::kilowatts(*kilowatts)
            ),
            Way::Coverage { days, months } => {
                t!(lang, "explain-way-coverage", days = *days, months = say::list(lang, months))
            }
            Way::Wait { until } => t!(lang, "explain-way-wait", until = until.to_string()),
        }
    }
}

fn amount(lang: Lang, purpose: Purpose, of: Amount) -> String {
    let amount = grouped(of.amount, 1);
    match purpose {
        Purpose::Water => t!(lang, "explain-amount-water", amount = amount),
        Purpose::Carbon => t!(lang, "explain-amount-carbon", amount = amount),
        _ => t!(lang, "explain-amount-energy", amount = amount),
    }
}

/// How a meter is, in a few words.
fn state(lang: Lang, meter: &MeterWhy) -> String {
    if !meter.in_service {
        return t!(lang, "explain-meter-out");
    }
    if let Some(unread) = &meter.unread {
        let reason = meanings::meaning(lang, unread.reason).unwrap_or_else(|| unread.reason.to_owned());
        return t!(lang, "explain-meter-unread", reason = reason);
    }
    let mut words: Vec<_> = meter.faults.iter().map(|fault| say::fault(lang, *fault)).collect();
    if meter.holds_down {
        words.push(t!(lang, "explain-meter-holds"));
    }
    if words.is_empty() { t!(lang, "explain-meter-fine") } else { say::list(lang, &words) }
}
