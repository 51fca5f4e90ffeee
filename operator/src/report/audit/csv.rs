//! The findings as CSV, a row a place. No cell is taken for a formula.

use banyan_policies::verdict::Audit;

use super::{super::csv, RenderError, sheets};
use crate::lang::Lang;

/// The file.
pub fn render(audit: &Audit, lang: Lang) -> Result<Vec<u8>, RenderError> {
    Ok(csv::write(&sheets::findings(audit, lang, usize::MAX))?)
}
