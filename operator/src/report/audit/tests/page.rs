use super::{super::html, *};

/// The page without its own style and script.
fn content(page: &str) -> String {
    let mut rest = page.to_owned();
    for (from, to) in [("<style>", "</style>"), ("<script>", "</script>")] {
        let start = rest.rfind(from).unwrap();
        let end = start + rest[start..].find(to).unwrap();
        rest.replace_range(start..end + to.len(), "");
    }
    rest
}

#[test]
fn nothing_that_was_given_is_markup() {
    for lang in Lang::ALL {
        let page = html::render(&audit(), lang).unwrap();
        let content = content(&page);
        nothing_hidden(&content);
        assert!(!content.contains("<script"), "its own was taken out");
        assert!(content.contains("&lt;script&gt;document.title"), "{content}");
        assert!(!content.contains("7*7 }} {% raw %}\" "), "no attribute is left");
        assert!(!content.contains("\" onmouseover"), "{content}");
        // A template of another's making is not run.
        assert!(!content.contains("49") || content.contains("7*7"));
    }
}

#[test]
fn it_allows_its_own_script_and_style_and_nothing_else() {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    use sha2::{Digest as _, Sha256};
    let page = html::render(&audit(), Lang::En).unwrap();
    let between = |from: &str, to: &str| page.split(from).nth(1).unwrap().split(to).next().unwrap();
    let policy = between("http-equiv=\"Content-Security-Policy\" content=\"", "\"");
    for (kind, from, to) in [("style-src", "<style>", "</style>"), ("script-src", "<script>", "</script>")] {
        let digest = STANDARD.encode(Sha256::digest(between(from, to).as_bytes()));
        assert!(policy.contains(&format!("{kind} 'sha256-{digest}'")), "{policy}");
    }
    assert!(policy.starts_with("default-src 'none'; "));
    for outside in ["http://", "https://", " src=", "@import", "url(", " style=", " onclick"] {
        assert!(!content(&page).contains(outside), "{outside}");
    }
}

#[test]
fn it_says_what_it_is_in_order() {
    for (lang, words) in [
        (
            Lang::En,
            [
                "This is a pre-check, not certification.",
                "Verdicts",
                "High risks",
                "Verdict by clause",
                "Waivers",
                "Findings</h2>",
            ],
        ),
        (Lang::Zh, ["预检，非认证", "判定汇总", "高风险项", "各条款符合情况", "豁免</h2>", "问题清单</h2>"]),
    ] {
        let page = html::render(&audit(), lang).unwrap();
        let mut rest = page.as_str();
        for word in words {
            let at = rest.find(word).unwrap_or_else(|| panic!("{word} is not where it should be"));
            rest = &rest[at..];
        }
        assert!(page.contains(if lang == Lang::Zh { "<html lang=\"zh-CN\">" } else { "<html lang=\"en\">" }));
    }
    let page = html::render(&audit(), Lang::Zh).unwrap();
    for word in ["符合", "部分符合", "不符合", "不适用", "待人工确认", "无法判定"] {
        assert!(page.contains(&format!("\">{word}</span>")), "{word}");
    }
    assert!(page.contains("由 many 豁免至 2027-01-01 00:00:00Z"));
}

#[test]
fn every_link_leads_somewhere() {
    let page = html::render(&audit(), Lang::En).unwrap();
    for anchor in page.split("href=\"#").skip(1).map(|rest| rest.split('"').next().unwrap()) {
        assert!(page.contains(&format!("id=\"{anchor}\"")), "{anchor}");
    }
    for label in page.split("<label for=\"").skip(1).map(|rest| rest.split('"').next().unwrap()) {
        assert!(page.contains(&format!("id=\"{label}\"")), "{label}");
    }
}

#[test]
fn a_page_stays_one_that_opens() {
    let mut audit = audit();
    let line = audit.objects.iter().find(|line| line.object.name == "many").unwrap().clone();
    audit.objects = vec![line; 1_000];
    let page = html::render(&audit, Lang::En).unwrap();
    assert!(page.len() < 8_000_000, "{}", page.len());
    assert!(
        page.contains("4990 places are shown") || page.contains("5000 places are shown"),
        "{}",
        &page[page.find("places are shown").unwrap() - 20..][..120]
    );
}
