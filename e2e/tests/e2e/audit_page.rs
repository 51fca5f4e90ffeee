//! The page of an audit: it opens, is searched and filtered, prints, and nothing that was given to it runs.

use std::fs;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use banyan::lang::Lang;
use banyan::report::audit::html;
use banyan_e2e::browser::Browser;
use banyan_e2e::dirs;
use banyan_policies::engine::{Outcome, Parameters, Selection, Session, Sight, compile};
use banyan_policies::pack::builtin;
use banyan_policies::verdict::{Audit, Input, Origin, Waiver, Waivers, Work, conclude};
use serde::Deserialize;
use serde_json::json;

use crate::world::{Test, World};

/// The tests of this file.
pub fn tests() -> Vec<Test> {
    tests![the_page_of_an_audit_is_searched_filtered_and_printed]
}

/// A name that a page might take for something else.
const HOSTILE: &str =
    "<script>document.title='taken'</script>\u{202e}<img src=x onerror=\"document.title='taken'\">";
/// Width of A4 across, without its margins of 14 mm, in px of 1/96 inch.
const PAPER: u32 = 1_016;

/// Three Ingresses, two of them without TLS, of which one is waived; judged by the pack that comes with the program.
fn audit() -> Result<Audit> {
    let now = "2026-11-25T03:04:05Z".parse()?;
    let packs: Vec<_> = builtin().0.into_iter().map(Arc::new).collect();
    let (compiled, faults) = compile(&packs, &[Selection::new("crypto", "3")], &Parameters::new());
    ensure!(faults.is_empty(), "{faults:?}");
    let waiver = Waiver {
        name: "old-portal".into(),
        controls: vec!["crypto-ingress-tls".into()],
        namespaces: vec!["old".into()],
        kinds: Vec::new(),
        names: Vec::new(),
        reason: HOSTILE.into(),
        ticket: "SEC-7".into(),
        expires: "2027-01-01T00:00:00Z".parse()?,
        approved_by: "li.na".into(),
        suspended: false,
    };
    let keep = [Outcome::Pass, Outcome::Fail, Outcome::Error, Outcome::Unknown, Outcome::Skip];
    let mut work = Work::new(&compiled, Waivers::new(vec![waiver], now), &keep);
    let mut session = Session::new(&compiled, now);
    let covered = json!([{ "hosts": ["shop.example.com"], "secretName": "shop" }]);
    for (place, (namespace, name, tls)) in
        [("web", HOSTILE, json!([])), ("old", "portal", json!([])), ("web", "shop", covered)]
            .into_iter()
            .enumerate()
    {
        let ingress = json!({
            "apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": { "namespace": namespace, "name": name },
            "spec": { "tls": tls, "rules": [{ "host": "shop.example.com" }] },
        });
        work.count();
        work.add(session.take(place, compiled.examine(&ingress, now)));
    }
    session.finish(Sight::Manifests).for_each(|judged| work.add(judged));
    let mut audit = conclude(work, &Input { keep: keep.to_vec(), ..Input::default() }, now);
    for line in &mut audit.objects {
        line.origin = Some(Origin { file: format!("{HOSTILE}.yaml"), line: 3 });
    }
    audit.faults = vec![format!("{HOSTILE}:7: the file ends in the middle of a text")];
    Ok(audit)
}

/// What is to be seen of the findings.
#[derive(Debug, Deserialize, PartialEq, Eq)]
struct Seen {
    /// What the page says.
    told: String,
    /// The findings of the control.
    findings: usize,
    clauses: usize,
}

/// Puts values into the filter as a person does, and says what is left.
async fn filtered(browser: &Browser, fields: &[(&str, &str)]) -> Result<Seen> {
    let set: Vec<String> =
        fields.iter().map(|(name, value)| format!("form.elements['{name}'].value = '{value}';")).collect();
    let set = set.concat();
    browser
        .eval(&format!(
            "const form = document.getElementById('filter'); \
             for (const one of form.querySelectorAll('input, select')) one.value = ''; {set} \
             form.dispatchEvent(new Event('input', {{ bubbles: true }})); \
             const shown = (query) => [...document.querySelectorAll(query)].filter(one => one.offsetParent).length; \
             return {{ told: document.getElementById('found').textContent, \
             findings: shown('section.control:has(code) tbody'), clauses: shown('section.clauses tbody tr') }};"
        ))
        .await
}

async fn the_page_of_an_audit_is_searched_filtered_and_printed(_: World) -> Result<()> {
    let audit = audit()?;
    let dir = dirs::fresh("audit-page")?;
    let browser = Browser::start().await?;
    for (lang, title, words) in [
        (
            Lang::En,
            "Security baseline: audit report",
            ["pre-check, not certification", "waived by old-portal until 2027-01-01", "What to change"],
        ),
        (Lang::Zh, "安全基线审计报告", ["预检，非认证", "由 old-portal 豁免至 2027-01-01", "整改建议"]),
    ] {
        let file = dir.join(format!("{lang}.html"));
        fs::write(&file, html::render(&audit, lang)?)
            .with_context(|| format!("writing {}", file.display()))?;
        browser.show("screen", 1_280).await?;
        browser.open(&file).await?;
        // For whoever looks at a failed run.
        browser.picture(&dir.join(format!("{lang}.png"))).await?;
        let console = browser.console().await?;
        ensure!(console.is_empty(), "{lang}: {console:?}");
        let requests: Vec<String> =
            browser.eval("return performance.getEntriesByType('resource').map(one => one.name)").await?;
        ensure!(requests.is_empty(), "{lang}: the page asks for {requests:?}");
        let (said, language, scripts, images): (String, String, usize, usize) = browser
            .eval("return [document.title, document.documentElement.lang, document.scripts.length, document.images.length]")
            .await?;
        ensure!(
            (said.as_str(), language.as_str(), scripts, images) == (title, lang.tag(), 1, 0),
            "{said} {language}"
        );
        let text: String = browser.eval("return document.body.innerText").await?;
        let hostile = HOSTILE.replace('\u{202e}', "\\u{202e}");
        for word in words.into_iter().chain([hostile.as_str(), "crypto-ingress-tls"]) {
            ensure!(text.contains(word), "{lang}: {word} is not in\n{text}");
        }
        ensure!(!text.contains("audit-"), "a key stands for its text:\n{text}");

        let all = filtered(&browser, &[]).await?;
        ensure!(all.told == all.findings.to_string() && all.findings > 3, "{all:?}");
        ensure!(all.clauses == audit.clauses.len(), "{all:?}");
        for (fields, findings) in [
            (&[("words", "ingress-tls PORTAL")][..], 1),
            (&[("words", "ingress-tls"), ("outcome", "fail")], 1),
            (&[("words", "ingress-tls"), ("outcome", "skip")], 1),
            (&[("words", "ingress-tls"), ("severity", "high")], 3),
            (&[("words", "ingress-tls"), ("severity", "low")], 0),
            (&[("words", "no such words")], 0),
        ] {
            let left = filtered(&browser, fields).await?;
            ensure!(left.findings == findings && left.told == findings.to_string(), "{fields:?}: {left:?}");
        }
        let left = filtered(&browser, &[("verdict", "due")]).await?;
        let due = audit
            .clauses
            .iter()
            .filter(|clause| clause.verdict == banyan_policies::verdict::Verdict::ManualDue)
            .count();
        ensure!(left.clauses == due && due > 0, "{left:?} of {due}");
        let reset: usize = browser
            .eval("document.querySelector('button[type=reset]').click(); return document.querySelectorAll('[hidden]').length")
            .await?;
        ensure!(reset > 0, "the note that nothing is found stays hidden");

        // What is typed and chosen can be reached by the keyboard, and has a name for whoever hears the page.
        let named: bool = browser
            .eval(
                "return [...document.querySelectorAll('input, select')].every(one => one.labels.length == 1 && one.tabIndex == 0) \
                 && [...document.querySelectorAll('th')].every(one => one.scope) && document.querySelector('main h2') != null \
                 && document.querySelector('[role=status][aria-live=polite] output') != null",
            )
            .await?;
        ensure!(named, "a field or a heading has no name");

        // Not even with a script in the page would one run.
        let taken: String = browser
            .eval("const one = document.createElement('script'); one.textContent = \"document.title = 'taken'\"; document.body.append(one); return document.title")
            .await?;
        ensure!(taken == title, "another script has run");

        browser.show("print", PAPER).await?;
        let wide: Vec<String> = browser
            .eval("const width = document.documentElement.clientWidth; return [...document.querySelectorAll('main *')].filter(one => one.getBoundingClientRect().right > width + 1).map(one => one.outerHTML.slice(0, 120))")
            .await?;
        ensure!(wide.is_empty(), "{lang}: cut off on paper: {wide:#?}");
        let form: bool = browser
            .eval("return getComputedStyle(document.getElementById('filter')).display == 'none'")
            .await?;
        ensure!(form, "the filter is printed");
        fs::write(dir.join(format!("{lang}.pdf")), browser.print().await?)?;
    }
    browser.stop().await
}
