//! Plain text tables, aligned by display width, so that Chinese names keep the columns straight.

use super::width;

/// Rows under a header, columns two spaces apart.
pub fn render(header: &[impl AsRef<str>], rows: &[Vec<String>]) -> String {
    let widths: Vec<usize> = (0..header.len())
        .map(|column| {
            let cells = rows.iter().map(|row| width(&row[column]));
            cells.chain([width(header[column].as_ref())]).max().unwrap_or(0)
        })
        .collect();
    let mut text = String::new();
    let mut line = |cells: &mut dyn Iterator<Item = &str>| {
        let mut row = String::new();
        for (cell, width_wanted) in cells.zip(&widths) {
            row.push_str(cell);
            row.push_str(&" ".repeat(width_wanted - width(cell) + 2));
        }
        text.push_str(row.trim_end());
        text.push('\n');
    };
    line(&mut header.iter().map(AsRef::as_ref));
    for row in rows {
        line(&mut row.iter().map(String::as_str));
    }
    text
}

/// A text with spaces behind it, up to so many columns.
pub fn pad(text: &str, columns: usize) -> String {
    format!("{text}{}", " ".repeat(columns.saturating_sub(width(text))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stay_straight() {
        let rows = vec![vec!["榕".into(), "1".into()], vec!["abcd".into(), "2".into()]];
        assert_eq!(render(&["NAME", "X"], &rows), "NAME  X\n榕    1\nabcd  2\n");
    }
}
