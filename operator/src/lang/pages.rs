//! Pages of the documentation in Chinese do not fall behind the English ones: same commands, same sections, same names.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use super::Lang;
use pulldown_cmark::{Event, HeadingLevel, Options, Parser, Tag, TagEnd};

/// Pages that are only there in Chinese, or for both languages.
const ALONE: [&str; 1] = ["docs/zh/words.md"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(page: &str) -> String {
    fs::read_to_string(root().join(page)).unwrap_or_else(|error| panic!("{page}: {error}"))
}

/// Every page in Chinese, with the English one of which it is a translation.
fn pairs() -> Vec<(String, String)> {
    fn walk(folder: &str, found: &mut Vec<(String, String)>) {
        for entry in fs::read_dir(root().join(folder)).unwrap() {
            let entry = entry.unwrap();
            let page = format!("{folder}/{}", entry.file_name().into_string().unwrap());
            if entry.path().is_dir() {
                walk(&page, found);
            } else if !ALONE.contains(&page.as_str()) {
                found.push((page.replacen("docs/zh/", "docs/", 1), page));
            }
        }
    }
    let mut found = vec![("README.md".to_owned(), "README.zh.md".to_owned())];
    walk("docs/zh", &mut found);
    found.sort();
    found
}

/// What a translation keeps.
#[derive(Debug, Default, PartialEq, Eq)]
struct Kept {
    /// Language and lines of each block of code, without comments.
    code: Vec<(String, Vec<String>)>,
    /// Level of each heading.
    headings: Vec<HeadingLevel>,
    /// Rows of all tables.
    rows: usize,
    /// Names, fields and commands within sentences.
    names: BTreeSet<String>,
    /// Where the links lead.
    links: BTreeSet<String>,
}

/// The line without a comment, which is translated.
fn uncommented(line: &str) -> &str {
    if line.trim_start().starts_with('#') {
        return "";
    }
    line.find(" #").map_or(line, |at| &line[..at]).trim_end()
}

fn kept(text: &str) -> Kept {
    use pulldown_cmark::CodeBlockKind;
    let mut kept = Kept::default();
    let mut code = None;
    for event in Parser::new_ext(text, Options::ENABLE_TABLES) {
        match event {
            Event::Start(Tag::CodeBlock(kind)) => {
                let language = match kind {
                    CodeBlockKind::Fenced(language) => language.into_string(),
                    CodeBlockKind::Indented => String::new(),
                };
                code = Some((language, String::new()));
            }
            Event::Text(part) if code.is_some() => code.iter_mut().for_each(|(_, text)| text.push_str(&part)),
            Event::End(TagEnd::CodeBlock) => {
                let (language, text) = code.take().unwrap_or_default();
                let lines = text.lines().map(uncommented).filter(|line| !line.is_empty()).map(str::to_owned);
                kept.code.push((language, lines.collect()));
            }
            Event::Start(Tag::Heading { level, .. }) => kept.headings.push(level),
            Event::Start(Tag::TableRow) => kept.rows += 1,
            Event::Code(name) => drop(kept.names.insert(name.into_string())),
            Event::Start(Tag::Link { dest_url, .. }) => drop(kept.links.insert(dest_url.into_string())),
            _ => {}
        }
    }
    kept
}

#[test]
fn a_translated_page_has_the_commands_the_sections_and_the_names_of_its_original() {
    let pairs = pairs();
    assert!(pairs.len() >= 10, "{pairs:?}");
    for (english, chinese) in pairs {
        let (original, translation) = (kept(&read(&english)), kept(&read(&chinese)));
        assert_eq!(original.code, translation.code, "the blocks of code of {english} and {chinese}");
        assert_eq!(original.headings, translation.headings, "the headings of {english} and {chinese}");
        assert_eq!(original.rows, translation.rows, "the tables of {english} and {chinese}");
        let lost: Vec<_> = original.names.difference(&translation.names).collect();
        assert!(lost.is_empty(), "{chinese} does not name {lost:?} as {english} does");
    }
}

/// Each page leads to the other, the Chinese one wherever the English one leads, and no relative link leads nowhere.
#[test]
fn links_of_translated_pages_lead_somewhere_and_to_the_other_language() {
    let same = |page: &str| {
        let folder = Path::new(page).parent().unwrap_or(Path::new(""));
        let place = |link: String| {
            if link.contains("://") {
                return link;
            }
            let mut parts = Vec::new();
            for part in folder.join(link).components() {
                match part.as_os_str().to_str().unwrap() {
                    ".." => drop(parts.pop()),
                    part => parts.push(part.to_owned()),
                }
            }
            parts.join("/").replace("docs/zh/", "docs/").replace("README.zh.md", "README.md")
        };
        kept(&read(page)).links.into_iter().map(place).collect::<BTreeSet<_>>()
    };
    for (english, chinese) in pairs() {
        let lost: Vec<_> = same(&english).difference(&same(&chinese)).cloned().collect();
        assert!(lost.is_empty(), "{chinese} does not lead to {lost:?} as {english} does");
        for (page, other) in [(&english, &chinese), (&chinese, &english)] {
            let folder = root().join(page).parent().unwrap().to_owned();
            let mut targets = BTreeSet::new();
            for link in kept(&read(page)).links {
                let path = link.split('#').next().unwrap_or_default();
                if path.is_empty() || link.contains("://") {
                    continue;
                }
                let target = folder.join(path).canonicalize();
                targets.insert(target.unwrap_or_else(|error| panic!("{page}: {link}: {error}")));
            }
            let other = root().join(other).canonicalize().unwrap();
            assert!(targets.contains(&other), "{page} does not lead to {}", other.display());
        }
    }
}

/// The glossary says what the catalogue says.
#[test]
fn the_glossary_agrees_with_the_catalogue() {
    let page = read("docs/zh/words.md");
    let texts = |lang: Lang| {
        let file = lang.files().iter().find(|(name, _)| *name == "words").unwrap().1;
        file.lines().filter_map(|line| line.split_once(" = ")).collect::<Vec<_>>()
    };
    for ((key, english), (same, chinese)) in texts(Lang::En).into_iter().zip(texts(Lang::Zh)) {
        assert_eq!(key, same, "the files of words are in another order");
        let row = |name: &str| page.contains(&format!("| {name} | {chinese} |"));
        assert!(
            row(english) || row(&format!("{english} (of a condition)")),
            "{key}: {english} is not {chinese}"
        );
    }
    // What tables have at their heads, in whatever wording around it.
    let status = Lang::Zh.files().iter().find(|(name, _)| *name == "status").unwrap().1;
    for (key, head) in status.lines().filter_map(|line| line.split_once(" = ")) {
        if !head.contains('{') && !["status-none", "status-now", "status-enforcement"].contains(&key) {
            let named = page.lines().any(|line| line.starts_with('|') && line.contains(head));
            assert!(named, "{key}: {head} is not in the glossary");
        }
    }
}

#[test]
fn comments_are_no_part_of_a_command() {
    assert_eq!(uncommented("make demo     # five sites"), "make demo");
    assert_eq!(uncommented("# five sites"), "");
    assert_eq!(uncommented("a 'b#c'"), "a 'b#c'");
    let text = "# a\n\n- x\n\n      y # z\n\n```sh\nb `c`\n```\n\n`d`\n\n|e|\n|-|\n|f|\n";
    let kept = kept(text);
    assert_eq!(
        kept.code,
        [(String::new(), vec!["y".to_owned()]), ("sh".to_owned(), vec!["b `c`".to_owned()])]
    );
    assert_eq!((kept.headings.len(), kept.rows), (1, 1));
    assert_eq!(kept.names, BTreeSet::from(["d".to_owned()]));
}
