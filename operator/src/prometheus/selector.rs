//! Tells a plain vector selector from any other `PromQL` expression.
//!
//! Only a plain selector can be asked for its raw samples (`selector[5m]`); anything else has to go through a
//! subquery, which samples it. The lexer knows just enough of `PromQL` to decide this, and says no when in doubt: a
//! selector taken for an expression costs resolution, an expression taken for a selector costs the answer.

/// The plain selector in `expr`, trimmed of the white space and comments around it: a metric name, matchers in braces, or
/// both, with nothing behind. `None` for everything else: functions, operators, numbers, `offset`, `@`, ranges,
/// parentheses, and text that is not `PromQL`.
///
/// Follows the grammar of Prometheus 3, with UTF-8 names in quotes (`{"metric.name", "label.name"="x"}`).
pub fn plain_selector(expr: &str) -> Option<&str> {
    let mut lexer = Lexer { text: expr, at: 0 };
    lexer.skip_blank();
    let start = lexer.at;
    let name = lexer.name(|c| c == ':');
    let mut end = lexer.at;
    lexer.skip_blank();
    if lexer.eat('{') {
        lexer.matchers()?;
        end = lexer.at;
    } else if name.is_none_or(is_number) {
        return None;
    }
    lexer.skip_blank();
    (lexer.at == expr.len()).then(|| &expr[start..end])
}

/// `inf` and `nan` are numbers in `PromQL`, in any case; every other bare word may be a metric's name.
fn is_number(name: &str) -> bool {
    name.eq_ignore_ascii_case("inf") || name.eq_ignore_ascii_case("nan")
}

/// A position in `PromQL` text.
struct Lexer<'a> {
    text: &'a str,
    /// Byte offset, always at a character boundary.
    at: usize,
}

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn eat(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        if found {
            self.at += wanted.len_utf8();
        }
        found
    }

    /// Passes white space and comments, which run from `#` to the end of the line.
    fn skip_blank(&mut self) {
        loop {
            let rest = self.rest();
            // PromQL knows these four as white space; a no-break space is an error to it.
            let trimmed = rest.trim_start_matches([' ', '\t', '\n', '\r']);
            self.at += rest.len() - trimmed.len();
            if !trimmed.starts_with('#') {
                return;
            }
            self.at += trimmed.find('\n').unwrap_or(trimmed.len());
        }
    }

    /// A name of ASCII letters, digits, underscores and what `also` allows, not beginning with a digit.
    fn name(&mut self, also: impl Fn(char) -> bool) -> Option<&'a str> {
        let rest = self.rest();
        let end =
            rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || also(c))).unwrap_or(rest.len());
        if end == 0 || rest.starts_with(|c: char| c.is_ascii_digit()) {
            return None;
        }
        self.at += end;
        Some(&rest[..end])
    }

    /// A quoted string: `"…"` and `'…'` with escapes and on one line, `` `…` `` raw.
    fn quoted(&mut self) -> Option<()> {
        let quote = self.peek().filter(|c| ['"', '\'', '`'].contains(c))?;
        let mut escaped = false;
        for (offset, c) in self.rest().char_indices().skip(1) {
            match c {
                _ if escaped => escaped = false,
                '\n' if quote != '`' => return None,
                '\\' if quote != '`' => escaped = true,
                _ if c == quote => {
                    self.at += offset + c.len_utf8();
                    return Some(());
                }
                _ => {}
            }
        }
        None
    }

    /// What follows `{`, up to and with `}`: matchers separated by commas, the last of which may trail.
    fn matchers(&mut self) -> Option<()> {
        loop {
            self.skip_blank();
            if self.eat('}') {
                return Some(());
            }
            let quoted = self.quoted().is_some();
            if !quoted {
                self.name(|_| false)?;
            }
            self.skip_blank();
            if self.operator() {
                self.skip_blank();
                self.quoted()?;
            } else if !quoted {
                // A bare word needs an operator; only a quoted one can be the metric's name.
                return None;
            }
            self.skip_blank();
            if self.eat('}') {
                return Some(());
            }
            if !self.eat(',') {
                return None;
            }
        }
    }

    fn operator(&mut self) -> bool {
        if self.eat('=') {
            self.eat('~');
            return true;
        }
        let found = self.rest().starts_with("!=") || self.rest().starts_with("!~");
        if found {
            self.at += 2;
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_matchers_are_plain() {
        for expr in [
            "up",
            "job:energy_kwh:sum",
            ":leading_colon",
            "_under1",
            "sum",
            r#"up{job="x"}"#,
            r#"{__name__="up"}"#,
            r#"up { job = "x" , site != 'y', a =~ `b\`, c !~ "d.*", }"#,
            r#"dc_energy_kwh_total{site="changle-1",feed="a"}"#,
            r#"up{a="}",b="\"}[5m]",c='\'',d="offset 5m"}"#,
            r#"{"metric.name"}"#,
            r#"{"metric.name", "标签"="榕"}"#,
            "up{\n  # the feed\n  a=\"b\"\n}",
        ] {
            assert_eq!(plain_selector(expr), Some(expr), "{expr}");
        }
    }

    #[test]
    fn white_space_and_comments_around_are_cut_off() {
        assert_eq!(plain_selector("  up \n"), Some("up"));
        assert_eq!(plain_selector("# feed a\nup{a=\"#\"} # [kWh]"), Some("up{a=\"#\"}"));
    }

    #[test]
    fn everything_else_is_an_expression() {
        for expr in [
            "",
            "   ",
            "# only a comment",
            "sum(up)",
            "up + up",
            "up * 2",
            "-up",
            "(up)",
            "up offset 5m",
            r#"up{a="b"} offset 5m"#,
            "up @ 0",
            "up @ end()",
            "up[5m]",
            r#"up{a="b"}[5m]"#,
            "up[5m:1m]",
            "1",
            "1e3",
            "0x1f",
            "Inf",
            "NaN",
            "inf",
            "up down",
            "rate(up[5m])",
            r#""a string""#,
            r#"up{a="b"} > 5"#,
            r#"up{a="b"}{c="d"}"#,
            r#"up{a="b" c="d"}"#,
            r#"up{a="b""#,
            r#"up{a="b}"#,
            r"up{a='b\'}",
            "up{a=\"b\nc\"}",
            "up{a=b}",
            "up{a}",
            r#"up{="b"}"#,
            r#"up{,a="b"}"#,
            r#"up{a=="b"}"#,
            r#"up{a>"b"}"#,
            "用电量",
            "up\u{a0}",
        ] {
            assert_eq!(plain_selector(expr), None, "{expr:?}");
        }
    }

    #[test]
    fn no_text_makes_the_lexer_fail() {
        proptest::proptest!(|(text in r#"[a-z{}"'`\\=~!,#\n 榕\[\]()0-9:]{0,24}"#)| {
            if let Some(selector) = plain_selector(&text) {
                // What is called plain stays so, and ends where a range can be put.
                assert_eq!(plain_selector(selector), Some(selector));
                assert!(text.contains(selector));
            }
        });
    }
}
