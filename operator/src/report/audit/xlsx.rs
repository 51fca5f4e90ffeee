//! A workbook: the field record of an assessor, the findings, and notes.

use banyan_policies::verdict::Audit;

use super::{super::xlsx, RenderError, View, sheets, words};
use crate::{lang::Lang, t};

/// The file. The same audit gives the same bytes.
pub fn render(audit: &Audit, lang: Lang) -> Result<Vec<u8>, RenderError> {
    render_view(&View::new(audit), lang)
}

/// The same of a view.
pub fn render_view(view: &View<'_>, lang: Lang) -> Result<Vec<u8>, RenderError> {
    let audit = view.audit;
    let mut record = sheets::record(view, lang, sheets::ROWS);
    let findings = sheets::findings(audit, lang, sheets::ROWS);
    record.title = t!(lang, "audit-heading");
    record.notes_title = t!(lang, "audit-notes");
    let packs = audit.packs.iter().map(|pack| super::table::headline(pack, view, lang));
    let notes = std::iter::once(t!(lang, "audit-pre-check"))
        .chain(packs)
        .chain([t!(lang, "audit-valid-at", at = words::instant(audit.at))])
        .chain(findings.notes.iter().cloned());
    record.notes.splice(0..0, notes);
    let (first, second) = (t!(lang, "audit-sheet-record"), t!(lang, "audit-sheet-findings"));
    Ok(xlsx::write_all(&[(&record, &first), (&findings, &second)], audit.at)?)
}
