//! Cutting a stream into documents without parsing it.
//!
//! A line that begins with `---` or `...` ends a document wherever it stands, also inside a text block: so YAML has it. JSON ends where its
//! brackets do; what begins like JSON and goes on otherwise (`{a: b}`) is YAML.

use std::{collections::VecDeque, io::Read, sync::Arc};

use memchr::{memchr, memchr2};

use super::{
    Document, Fault, Limits, Part, Reason, Syntax,
    decode::Source,
    line_ends,
    long::{Long, Turn},
};

/// Bytes of a line that are looked at together, unless limits are lower.
const PIECE: usize = 64 * 1024;

fn piece(limits: &Limits) -> usize {
    PIECE.min(limits.list).max(64)
}

/// The documents of a stream, one by one. After a fault the rest is read all the same.
pub struct Reader<R> {
    source: Source<R>,
    buffer: Vec<u8>,
    at: usize,
    ended: bool,
    cutter: Cutter,
}

impl<R: Read> Reader<R> {
    /// Reads `inner`, which messages call `file`.
    pub fn new(inner: R, file: impl Into<Arc<str>>, limits: Limits) -> Self {
        let cutter = Cutter::new(file.into(), limits);
        Self { source: Source::new(inner), buffer: Vec::new(), at: 0, ended: false, cutter }
    }

    /// Length of the next piece: a line, a part of a very long one, or what is left at the end.
    fn piece(&mut self) -> usize {
        let most = piece(&self.cutter.limits);
        loop {
            let rest = self.buffer.get(self.at..).unwrap_or_default();
            let within = rest.get(..most).unwrap_or(rest);
            if let Some(end) = memchr(b'\n', within) {
                return end + 1;
            }
            if rest.len() >= most || self.ended {
                return within.len();
            }
            self.buffer.drain(..self.at);
            self.at = 0;
            match self.source.fill(&mut self.buffer) {
                Ok(more) => self.ended = !more,
                Err(reason) => {
                    self.ended = true;
                    self.cutter.broken = Some(reason);
                }
            }
        }
    }
}

impl<R: Read> Iterator for Reader<R> {
    type Item = Result<Document, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(ready) = self.cutter.ready.pop_front() {
                return Some(ready);
            }
            if self.cutter.closed {
                return None;
            }
            let length = self.piece();
            if length == 0 {
                self.cutter.close();
                continue;
            }
            if let Some(piece) = self.buffer.get(self.at..self.at + length) {
                self.cutter.feed(piece);
            }
            self.at += length;
        }
    }
}

/// How what comes next is to be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// Nothing of a document yet, but perhaps directives.
    Blank,
    /// The rest of a comment before a document.
    Comment,
    Yaml,
    Json,
}

/// Takes pieces and gives documents.
pub(super) struct Cutter {
    file: Arc<str>,
    limits: Limits,
    ready: VecDeque<Result<Document, Fault>>,
    /// Why the stream ended before its end.
    broken: Option<Reason>,
    closed: bool,
    /// Where the next piece begins.
    line: usize,
    column: usize,
    mode: Mode,
    brackets: Brackets,
    /// Whether this document, or the one before, began like JSON: then a `{` at the start of a line begins another, whatever is wrong with
    /// this one.
    after_json: bool,
    /// The text of the document, or of the item, that is being read, and where it began.
    text: Vec<u8>,
    start: (usize, usize),
    /// What is wrong with it; its text is not kept then.
    wrong: Option<Fault>,
    /// Whether the text holds a `---` after directives.
    marked: bool,
    /// The length from which on it is tried, again, to see a long List in it.
    next_try: usize,
    long: Option<Long>,
    index: usize,
}

/// Where in JSON one is.
#[derive(Clone, Copy, Debug, Default)]
struct Brackets {
    depth: usize,
    string: bool,
    escaped: bool,
    /// The last text at the outermost level, by its place in the document, and whether it is a key.
    text: (usize, usize),
    key: bool,
    /// Where the items of a List begin.
    items: Option<usize>,
}

impl Cutter {
    fn new(file: Arc<str>, limits: Limits) -> Self {
        Self {
            file,
            limits,
            ready: VecDeque::new(),
            broken: None,
            closed: false,
            line: 1,
            column: 0,
            mode: Mode::Blank,
            brackets: Brackets::default(),
            after_json: false,
            text: Vec::new(),
            start: (1, 0),
            wrong: None,
            marked: false,
            next_try: limits.list,
            long: None,
            index: 0,
        }
    }

    fn fault(&self, (line, column): (usize, usize), reason: Reason) -> Fault {
        Fault { file: Arc::clone(&self.file), line, column: column + 1, reason }
    }

    /// The end of the stream.
    fn close(&mut self) {
        match self.broken.take() {
            // What was being read is not whole.
            Some(reason) => {
                let fault = self.fault((self.line, self.column), reason);
                self.ready.push_back(Err(fault));
            }
            None => self.finish(),
        }
        self.closed = true;
    }

    /// Takes a line, or a part of one; only a line's last piece ends with a line feed.
    fn feed(&mut self, piece: &[u8]) {
        if self.closed {
            return;
        }
        let control = |byte: &u8| *byte < 0x20 && !matches!(byte, b'\t' | b'\n' | b'\r');
        let bad = memchr(0, piece).or_else(|| piece.iter().position(control));
        if let Some((at, byte)) = bad.and_then(|at| Some((at, *piece.get(at)?))) {
            let place = self.place(piece, at);
            if byte == 0 {
                let fault = self.fault(place, Reason::Binary);
                self.ready.push_back(Err(fault));
                self.closed = true;
                return;
            }
            if matches!(self.mode, Mode::Blank | Mode::Comment) {
                self.begin(Mode::Yaml);
            }
            self.spoil(place, Reason::Control(byte));
        }
        self.take(piece);
        if piece.ends_with(b"\n") {
            self.line += 1;
            self.column = 0;
            if self.mode == Mode::Comment {
                self.mode = Mode::Blank;
            }
        } else {
            self.column += characters(piece);
        }
        if self.text.len() > self.next_try && self.long.is_none() {
            self.next_try = self.text.len().saturating_mul(2);
            self.take_apart();
        }
    }

    fn take(&mut self, piece: &[u8]) {
        let fresh = self.column == 0;
        if fresh {
            match marker(piece) {
                Some(Marker::End) => return self.finish(),
                Some(Marker::Start) => return self.marker(piece.strip_prefix(BOM).unwrap_or(piece)),
                None => {}
            }
            if self.after_json && self.mode == Mode::Yaml && piece.starts_with(b"{") {
                self.finish();
            }
        }
        match self.mode {
            Mode::Comment => {}
            Mode::Blank => self.open(piece, 0),
            Mode::Yaml => self.yaml(piece, fresh),
            Mode::Json => self.json(piece, 0),
        }
    }

    /// A line `---`.
    fn marker(&mut self, piece: &[u8]) {
        if self.mode != Mode::Blank || self.marked {
            self.finish();
        }
        if !self.text.is_empty() {
            self.marked = true;
            self.push(piece);
        }
        let after = piece.get(3..).unwrap_or_default().trim_ascii_start();
        if !after.is_empty() && !after.starts_with(b"#") {
            let place = (self.line, 0);
            if self.text.is_empty() {
                self.begin_at(Mode::Yaml, place);
                self.push(piece);
            } else {
                self.mode = Mode::Yaml;
            }
        } else if !piece.ends_with(b"\n") && !after.is_empty() {
            self.mode = Mode::Comment;
        }
    }

    /// The first of a document, or what stands before it.
    fn open(&mut self, piece: &[u8], from: usize) {
        let rest = piece.get(from..).unwrap_or_default();
        let blank = rest.len() - skip_blank(rest).len();
        let content = rest.get(blank..).unwrap_or_default();
        let place = |at: usize| {
            let before = characters(piece.get(..at).unwrap_or_default());
            (self.line, self.column + before)
        };
        match content.first() {
            None | Some(b'#') => {
                // Between directives and their document nothing may go missing: lines are counted from the first of them.
                if !self.text.is_empty() {
                    self.push(rest);
                }
                if !content.is_empty() && !piece.ends_with(b"\n") {
                    self.mode = Mode::Comment;
                }
            }
            Some(b'%') if blank == 0 && from == 0 && self.column == 0 && !self.marked => {
                if self.text.is_empty() {
                    self.start = place(0);
                }
                self.push(piece);
            }
            Some(b'{' | b'[') if self.text.is_empty() => {
                let start = place(from + blank);
                self.begin_at(Mode::Json, start);
                self.json(piece, from + blank);
            }
            Some(_) => {
                // A byte order mark where files were put one after the other is nothing of the document.
                let indented = if rest.starts_with(BOM) { content } else { rest };
                let start = place(piece.len() - indented.len());
                if self.text.is_empty() {
                    self.begin_at(Mode::Yaml, start);
                } else {
                    self.mode = Mode::Yaml;
                }
                self.push(indented);
            }
        }
    }

    fn yaml(&mut self, piece: &[u8], fresh: bool) {
        let turn = self.long.as_mut().map_or(Turn::Same, |long| long.turn(piece, fresh));
        match turn {
            Turn::Same => self.push(piece),
            Turn::Drop => {}
            Turn::Item => {
                self.item();
                self.begin(Mode::Yaml);
                if let Some(long) = &mut self.long {
                    long.enter();
                }
                self.push(piece);
            }
            Turn::Tail => {
                self.item();
                self.tail();
                self.push(piece);
            }
        }
    }

    /// After the items: what belongs to the List itself again.
    fn tail(&mut self) {
        if let Some((head, start)) = self.long.as_mut().map(Long::leave) {
            self.begin_at(self.mode, start);
            self.push(&head);
        }
    }

    /// JSON from `from` on, to the end of its brackets or of the piece.
    fn json(&mut self, piece: &[u8], from: usize) {
        let mut at = from;
        let mut kept = from;
        while let Some(byte) = piece.get(at) {
            if !self.brackets.string && json_byte(*byte) {
                at += 1;
                continue;
            }
            let inside = self.brackets;
            let state = &mut self.brackets;
            if inside.string {
                if inside.escaped {
                    state.escaped = false;
                    at += 1;
                    continue;
                }
                let rest = piece.get(at..).unwrap_or_default();
                let Some(next) = memchr2(b'"', b'\\', rest) else {
                    // A line feed inside a text: not JSON.
                    if piece.ends_with(b"\n") {
                        return self.no_json(piece, kept);
                    }
                    break;
                };
                at += next + 1;
                if rest.get(next) == Some(&b'"') {
                    state.string = false;
                    if state.depth == 1 && self.long.is_none() {
                        state.text.1 = self.text.len() + (at - 1 - kept);
                    }
                } else {
                    state.escaped = true;
                }
                continue;
            }
            match byte {
                b'"' => {
                    state.string = true;
                    if state.depth == 1 && self.long.is_none() {
                        state.text.0 = self.text.len() + (at + 1 - kept);
                    }
                }
                b':' => state.key |= state.depth == 1,
                b',' => state.key &= state.depth != 1,
                b'{' | b'[' => {
                    let items = *byte == b'[' && state.depth == 1 && state.key && state.items.is_none();
                    state.depth += 1;
                    let between = inside.depth == 2 && self.long.as_ref().is_some_and(Long::between);
                    if between {
                        let start = self.place(piece, at);
                        self.begin_at(Mode::Json, start);
                        kept = at;
                        if let Some(long) = &mut self.long {
                            long.enter();
                        }
                    } else if items && self.long.is_none() {
                        self.push(piece.get(kept..=at).unwrap_or_default());
                        kept = at + 1;
                        let (start, end) = inside.text;
                        if self.text.get(start..end) == Some(b"items") {
                            self.brackets.items = Some(self.text.len());
                        }
                    }
                }
                b'}' | b']' => {
                    state.depth = state.depth.saturating_sub(1);
                    let depth = state.depth;
                    let in_item = self.long.as_ref().is_some_and(Long::within);
                    let between = self.long.as_ref().is_some_and(Long::between);
                    if depth == 2 && in_item {
                        self.push(piece.get(kept..=at).unwrap_or_default());
                        kept = at + 1;
                        self.item();
                    } else if depth == 1 && between {
                        self.tail();
                        kept = at;
                    } else if depth == 0 {
                        self.push(piece.get(kept..=at).unwrap_or_default());
                        self.finish();
                        self.after_json = true;
                        return self.open(piece, at + 1);
                    }
                }
                _ => return self.no_json(piece, kept),
            }
            at += 1;
        }
        if !self.long.as_ref().is_some_and(Long::between) {
            self.push(piece.get(kept..).unwrap_or_default());
        }
    }

    /// What looked like JSON is none.
    fn no_json(&mut self, piece: &[u8], kept: usize) {
        if self.long.take().is_some() {
            let place = self.place(piece, kept);
            self.spoil(
                place,
                Reason::Syntax { syntax: Syntax::Json, message: "a text or a mapping is broken".into() },
            );
        }
        self.mode = Mode::Yaml;
        self.push(piece.get(kept..).unwrap_or_default());
        self.after_json = true;
    }

    fn place(&self, piece: &[u8], at: usize) -> (usize, usize) {
        (self.line, self.column + characters(piece.get(..at).unwrap_or_default()))
    }

    fn begin(&mut self, mode: Mode) {
        self.begin_at(mode, (self.line, self.column));
    }

    fn begin_at(&mut self, mode: Mode, start: (usize, usize)) {
        self.mode = mode;
        self.start = start;
        self.text.clear();
        self.wrong = None;
        if self.long.is_none() {
            self.brackets = Brackets::default();
        }
    }

    fn push(&mut self, bytes: &[u8]) {
        if self.wrong.is_some() {
            return;
        }
        self.text.extend_from_slice(bytes);
        if self.text.len() > self.limits.document {
            self.spoil(self.start, Reason::TooLong { limit: self.limits.document });
        }
    }

    /// Keeps what is wrong instead of the text.
    fn spoil(&mut self, place: (usize, usize), reason: Reason) {
        if self.wrong.is_none() {
            self.wrong = Some(self.fault(place, reason));
        }
        self.text = Vec::new();
    }

    /// Sees whether a document that has grown long is a List, and if so reads it again, item by item.
    fn take_apart(&mut self) {
        let (long, from) = match self.mode {
            Mode::Yaml => match Long::yaml(&self.text, self.start) {
                Some(found) => found,
                None => return,
            },
            Mode::Json => match self.brackets.items {
                Some(from) => (Long::json(self.text.get(..from).unwrap_or_default(), self.start), from),
                None => return,
            },
            Mode::Blank | Mode::Comment => return,
        };
        let text = std::mem::take(&mut self.text);
        let (head, rest) = text.split_at_checked(from).unwrap_or((&text, &[]));
        let lines = line_ends(head);
        let last = head.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
        self.line = self.start.0 + lines;
        self.column = characters(last) + if lines == 0 { self.start.1 } else { 0 };
        self.long = Some(long);
        self.brackets = Brackets { depth: 2, ..Brackets::default() };
        for line in rest.split_inclusive(|byte| *byte == b'\n') {
            for piece in line.chunks(piece(&self.limits)) {
                self.feed(piece);
            }
        }
    }

    /// The item that was read is whole.
    fn item(&mut self) {
        let Some(part) = self.long.as_mut().and_then(Long::part) else { return };
        self.give(part);
    }

    /// The document that was read is whole.
    fn finish(&mut self) {
        if matches!(self.mode, Mode::Yaml | Mode::Json) {
            let part = if self.long.is_some() {
                if self.long.as_ref().is_some_and(Long::within) {
                    self.item();
                    self.tail();
                }
                Part::Envelope
            } else {
                Part::Whole
            };
            self.give(part);
            self.index += 1;
            self.after_json = false;
        }
        self.long = None;
        self.next_try = self.limits.list;
        self.marked = false;
        self.begin(Mode::Blank);
    }

    fn give(&mut self, part: Part) {
        let text = std::mem::take(&mut self.text);
        let given = match self.wrong.take() {
            Some(fault) => Err(fault),
            None => match String::from_utf8(text) {
                Ok(text) => {
                    let syntax = if self.mode == Mode::Json { Syntax::Json } else { Syntax::Yaml };
                    let (line, column) = self.start;
                    Ok(Document {
                        file: Arc::clone(&self.file),
                        index: self.index,
                        line,
                        column,
                        syntax,
                        text,
                        part,
                    })
                }
                Err(error) => {
                    let valid = error.utf8_error().valid_up_to();
                    let before = error.as_bytes().get(..valid).unwrap_or_default();
                    let lines = line_ends(before);
                    let last = before.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
                    let column = characters(last) + if lines == 0 { self.start.1 } else { 0 };
                    Err(self.fault((self.start.0 + lines, column), Reason::NotUtf8))
                }
            },
        };
        self.ready.push_back(given);
    }
}

/// Bytes of JSON outside of texts that nothing hangs on: white space, numbers, and the letters of true, false and null.
fn json_byte(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | b'0'..=b'9' | b'+' | b'-' | b'.' | b'E')
        || matches!(byte, b'a' | b'e' | b'f' | b'l' | b'n' | b'r' | b's' | b't' | b'u')
}

const BOM: &[u8] = b"\xEF\xBB\xBF";

/// Without white space and byte order marks at the start.
fn skip_blank(bytes: &[u8]) -> &[u8] {
    let mut rest = bytes.trim_ascii_start();
    while let Some(after) = rest.strip_prefix(BOM) {
        rest = after.trim_ascii_start();
    }
    rest
}

/// Characters of a text in UTF-8: all bytes but those that continue one.
fn characters(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| (**byte & 0xC0) != 0x80).count()
}

enum Marker {
    Start,
    End,
}

/// The marker at the start of a line.
fn marker(line: &[u8]) -> Option<Marker> {
    let line = line.strip_prefix(BOM).unwrap_or(line);
    let (head, after) = line.split_at_checked(3)?;
    let ended = matches!(after.first(), None | Some(b' ' | b'\t' | b'\r' | b'\n'));
    match head {
        b"---" if ended => Some(Marker::Start),
        b"..." if ended => Some(Marker::End),
        _ => None,
    }
}
