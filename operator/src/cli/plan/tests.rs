//! The forms of a plan, from one that is written down.

use std::path::Path;

use serde_json::{Value, json};

use super::{
    diff,
    foreseen::{
        Act, Change, Decided, Field, Foreseen, Judged, Pair, Report, SCHEMA, Step, Unwell, Verdicts, fields,
    },
    markdown, text,
};
use crate::{cli::manifest::Problem, lang::Lang};

fn site(max: &str) -> Value {
    json!({"kind": "DataCenter", "spec": {"class": "A", "pue": {"targets": [{"max": max}]}}})
}

fn foreseen() -> Foreseen {
    let cron_job = |held: bool| json!({"kind": "CronJob", "spec": {"suspend": held}});
    let act = Act {
        step: Step::Borrow,
        api_version: "batch/v1".into(),
        kind: "CronJob".into(),
        namespace: Some("work".into()),
        name: "nightly".into(),
        action: Some("HoldBatch".into()),
        fields: vec![Field { pointer: "/spec/suspend".into(), before: Value::Null, after: json!(true) }],
        kept: vec![],
        held_by: None,
        why: "1.38 > 1.25".into(),
        object: Pair { before: Some(cron_job(false)), after: Some(cron_job(true)) },
    };
    Foreseen {
        file: "a.yaml".into(),
        line: 3,
        api_version: "banyan.dev/v1alpha1".into(),
        kind: "DataCenter".into(),
        name: "gulou-1".into(),
        change: Change::Update,
        fields: fields(&site("1.30")["spec"], &site("1.25")["spec"], "/spec"),
        actions: vec![act],
        conditions: vec![Unwell {
            kind: "PUEWithinTarget".into(),
            status: "False".into(),
            reason: "Violated".into(),
            message: "1.38 is above 1.25".into(),
        }],
        enforcement: Some(Decided {
            state: Some(banyan_crds::v1alpha1::EnforcementState::Enforcing),
            reason: "Enforcing".into(),
            message: "HoldBatch".into(),
        }),
        verdicts: Verdicts {
            annual: None,
            operational: Some(Judged {
                verdict: banyan_crds::v1alpha1::Verdict::Violated,
                value: Some("1.38".into()),
            }),
        },
        unread: vec![],
        problems: vec![],
        object: Pair { before: Some(site("1.30")), after: Some(site("1.25")) },
    }
}

fn report(documents: Vec<Foreseen>) -> Report {
    Report {
        schema: SCHEMA,
        changed: true,
        sound: documents.iter().all(|one| one.problems.is_empty()),
        documents,
    }
}

#[test]
fn text_is_for_a_terminal() {
    assert_eq!(
        text::render(&foreseen(), Lang::En),
        "~ DataCenter gulou-1
  @@
    pue:
      targets:
  -   - max: '1.30'
  +   - max: '1.25'
  borrow     CronJob work/nightly (HoldBatch): /spec/suspend absent → true; 1.38 > 1.25
  condition  PUEWithinTarget False (Violated): 1.38 is above 1.25
  enforce    Enforcing (Enforcing): HoldBatch
  verdicts   annual -, operational Violated (1.38)
"
    );
    let chinese = text::render(&foreseen(), Lang::Zh);
    assert!(
        chinese.contains("\n  借用       CronJob work/nightly (HoldBatch): /spec/suspend 无 → true"),
        "{chinese}"
    );
    assert!(chinese.ends_with("\n  判定       年度：-，运行：超标 (1.38)\n"), "{chinese}");
}

#[test]
fn a_diff_is_one_of_every_object() {
    assert_eq!(
        diff::render(&foreseen()),
        "--- a/DataCenter/gulou-1
+++ b/DataCenter/gulou-1
@@ -3,4 +3,4 @@
   class: A
   pue:
     targets:
-    - max: '1.30'
+    - max: '1.25'
--- a/CronJob/work/nightly
+++ b/CronJob/work/nightly
@@ -1,3 +1,3 @@
 kind: CronJob
 spec:
-  suspend: false
+  suspend: true
"
    );
    let mut new = foreseen();
    new.object.before = None;
    assert!(
        diff::render(&new)
            .starts_with("--- /dev/null\n+++ b/DataCenter/gulou-1\n@@ -0,0 +1,6 @@\n+kind: DataCenter\n")
    );
}

#[test]
fn json_is_on_its_schema() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/plan.schema.json");
    let schema: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let mut refused = foreseen();
    refused.change = Change::Refused;
    refused.enforcement = None;
    refused.problems =
        vec![Problem { file: "a.yaml".into(), line: 8, field: "spec.pue".into(), message: "rises".into() }];
    let json = serde_json::to_value(report(vec![foreseen(), refused])).unwrap();
    let wrong: Vec<_> =
        validator.iter_errors(&json).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert_eq!(wrong, [""; 0]);
    assert_eq!(
        json["documents"][0]["fields"],
        json!([{"pointer": "/spec/pue/targets/0/max", "before": "1.30", "after": "1.25"}])
    );
    assert_eq!(json["documents"][0]["actions"][0]["fields"][0]["before"], Value::Null);
    assert_eq!(json["sound"], false);
    // A field more or less is another version.
    let mut other = json.clone();
    other["documents"][0]["colour"] = "red".into();
    assert!(!validator.is_valid(&other));
}

#[test]
fn markdown_has_the_table_first_and_the_rest_folded() {
    let mut still = foreseen();
    (still.change, still.name) = (Change::None, "still".into());
    still.actions.clear();
    still.conditions.clear();
    let page = markdown::render(&report(vec![foreseen(), still]), Lang::En);
    let lines: Vec<&str> = page.lines().collect();
    assert_eq!(lines[0], "### Banyan: 1 of 2 resources change");
    assert_eq!(lines[2], "| Resource | Change | Actions | Verdicts |");
    assert!(
        lines[4].starts_with("| <code>DataCenter gulou-1</code> | change | borrow: 1 | annual "),
        "{page}"
    );
    assert!(lines[5].starts_with("| <code>DataCenter still</code> | none | - | "), "{page}");
    assert_eq!(page.matches("<details>").count(), 1, "{page}");
    assert!(page.contains("\n```diff\n--- a/DataCenter/gulou-1\n"), "{page}");
    let chinese = markdown::render(&report(vec![foreseen()]), Lang::Zh);
    assert!(
        chinese.starts_with("### Banyan：1 个资源中有 1 个变更\n\n| 资源 | 变更 | 动作 | 判定 |\n"),
        "{chinese}"
    );
}

#[test]
fn nothing_in_a_comment_is_markup_of_somebody_elses() {
    let mut evil = foreseen();
    let text = "</details> @all | [x](http://y) `` ``` ````\n# big <img src=x onerror=alert(1)> **b** !1";
    evil.actions[0].why = text.into();
    evil.conditions[0].message = text.into();
    evil.unread = vec![text.into()];
    evil.file = text.into();
    evil.object.after = Some(json!({ "spec": { "text": text } }));
    let page = markdown::render(&report(vec![evil]), Lang::En);
    let fence = "`````";
    let (before, rest) = page.split_once(&format!("\n{fence}diff\n")).unwrap();
    let (inside, after) = rest.split_once(&format!("\n{fence}\n")).unwrap();
    assert!(inside.contains("````"), "{inside}");
    for outside in [before, after] {
        for sign in ["</details> ", "@", "<img", "[x]", "**b**", "!1", "# big"] {
            assert!(!outside.contains(sign), "{sign} in {outside}");
        }
    }
    assert_eq!((page.matches("<details>").count(), after.matches("</details>").count()), (1, 1));
}

#[test]
fn a_long_diff_is_cut() {
    let mut long = foreseen();
    let lines: Vec<String> = (0..1000).map(|number| format!("line {number}")).collect();
    long.object.after = Some(json!({ "spec": lines }));
    let page = markdown::render(&report(vec![long]), Lang::En);
    assert!(page.lines().count() < 230, "{}", page.lines().count());
    assert!(page.contains(" more lines are in the output of banyan plan with -o diff."), "{page}");
}
