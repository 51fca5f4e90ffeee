//! JUnit XML for pipelines, after the schema of Jenkins' xUnit plugin: a suite a control, a case an object.

use banyan_policies::{engine::Outcome, verdict::Audit};
use quick_junit::{NonSuccessKind, Property, Report, TestCase, TestCaseStatus, TestSuite};

use super::{
    super::visible::{cut, visible},
    RenderError, TOOL, View,
    view::{message, named, position},
};

/// Longest name of a case, in bytes.
const LONGEST: usize = 2_000;

/// The report. What was not kept and passed is one case a control, so that a suite that holds is seen to.
pub fn render(audit: &Audit) -> Result<String, RenderError> {
    let view = View::new(audit);
    let mut report = Report::new("banyan audit");
    for (control, found) in audit.controls.iter().zip(view.by_control()) {
        let class = format!("{}.{}", visible(view.pack(control.pack)), visible(&control.id));
        let mut suite = TestSuite::new(class.clone());
        for (name, value) in [
            ("title", control.title.en.as_str()),
            ("severity", control.severity.as_str()),
            ("clauses", &control.clauses.join(", ")),
            ("remediation", &control.remediation.en),
            ("at", &audit.at.to_string()),
        ] {
            suite.add_property(Property::new(name, &*visible(value)));
        }
        let mut kept = 0;
        for (line, finding) in found {
            let words = message(control, finding);
            let status = match finding.outcome {
                Outcome::Pass => TestCaseStatus::success(),
                Outcome::Fail if control.scored => {
                    failed(NonSuccessKind::Failure, control.severity.as_str(), &words)
                }
                Outcome::Error => failed(NonSuccessKind::Error, "evaluation", &words),
                Outcome::Skip => skipped(&waived(&view, finding, &words)),
                Outcome::Fail => skipped(&format!("not counted: {words}")),
                Outcome::Unknown => skipped(&format!("unknown: {words}")),
            };
            kept += usize::from(finding.outcome == Outcome::Pass);
            let mut case = TestCase::new(&*cut(&named(&line.object), LONGEST), status);
            case.set_classname(&*class);
            let places = finding.places.iter().map(|place| {
                let at = position(line, Some(place))
                    .map(|(file, line)| format!("{file}:{line} "))
                    .unwrap_or_default();
                let evidence = place.evidence.as_ref().map(|text| format!(" = {text}")).unwrap_or_default();
                format!("{at}{}{}", visible(&place.path), visible(&evidence)).trim_end().to_owned()
            });
            let places = places.filter(|place| !place.is_empty()).collect::<Vec<_>>().join("\n");
            if !places.is_empty() {
                case.set_system_out(places);
            }
            if let Some((file, line)) = position(line, finding.places.first()) {
                case.extra.insert("file".into(), file.into());
                case.extra.insert("line".into(), line.to_string().into());
            }
            suite.add_test_case(case);
        }
        let others = control.tally.pass.saturating_sub(kept);
        if others > 0 {
            let name = format!("{others} {}", if others == 1 { "object passes" } else { "objects pass" });
            let mut case = TestCase::new(name, TestCaseStatus::success());
            case.set_classname(&*class);
            suite.add_test_case(case);
        }
        report.add_test_suite(suite);
    }
    if !audit.faults.is_empty() || !audit.unread.is_empty() {
        let mut suite = TestSuite::new(format!("{TOOL}.input"));
        let faults =
            audit.faults.iter().map(|fault| (fault, failed(NonSuccessKind::Error, "input", &visible(fault))));
        let unread = audit.unread.iter().map(|kind| (kind, skipped("unknown: it could not be read")));
        for (name, status) in faults.chain(unread) {
            let mut case = TestCase::new(&*visible(cut(name, LONGEST).as_ref()), status);
            case.set_classname(format!("{TOOL}.input"));
            suite.add_test_case(case);
        }
        report.add_test_suite(suite);
    }
    let text = report.to_string()?;
    // The schema knows no sum of what is skipped. The tag of the whole holds nothing of strangers.
    let (whole, rest) = text.split_once("<testsuite ").unwrap_or((&text, ""));
    let (before, skipped) = whole.split_once(" skipped=\"").unwrap_or((whole, ""));
    let after = skipped.split_once('"').map_or("", |(_, after)| after);
    Ok(if rest.is_empty() { format!("{before}{after}") } else { format!("{before}{after}<testsuite {rest}") })
}

fn failed(kind: NonSuccessKind, word: &str, message: &str) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(kind);
    status.set_message(message).set_type(word);
    status
}

fn skipped(message: &str) -> TestCaseStatus {
    let mut status = TestCaseStatus::skipped();
    status.set_message(message);
    status
}

fn waived(view: &View<'_>, finding: &banyan_policies::verdict::FindingLine, words: &str) -> String {
    let name = finding.waiver.as_deref().unwrap_or_default();
    let until = view.waiver(finding).map(|waiver| format!(" until {}", waiver.expires)).unwrap_or_default();
    format!("waived by {}{until}: {words}", visible(name))
}
