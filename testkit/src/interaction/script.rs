//! Reading and writing script files.

use super::args::{self, Arg};

/// Ends a directive's input; alone on its line.
const SEPARATOR: &str = "----";

/// A script: its lines outside directives, and its directives, in order.
#[derive(Debug)]
pub(super) struct Script {
    pub(super) items: Vec<Item>,
}

#[derive(Debug)]
pub(super) enum Item {
    /// A blank line or a comment, as it was read.
    Verbatim(String),
    Directive(Directive),
}

/// One command and what it is expected to print.
#[derive(Debug)]
pub(super) struct Directive {
    /// Number of its first line.
    pub(super) line: usize,
    /// Everything before the separator, as it was read.
    source: Vec<String>,
    pub(super) command: String,
    pub(super) args: Vec<Arg>,
    pub(super) input: String,
    /// The lines of the output block.
    expected: Vec<String>,
}

/// What is wrong with a script's text.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("line {line}: {problem}")]
pub struct SyntaxError {
    /// Where the directive begins.
    pub line: usize,
    /// What is wrong with it.
    pub problem: &'static str,
}

impl Script {
    pub(super) fn parse(text: &str) -> Result<Self, SyntaxError> {
        let mut lines = Lines { lines: text.lines().collect(), next: 0 };
        let mut items = Vec::new();
        while let Some(line) = lines.peek() {
            let trimmed = line.trim();
            if trimmed.is_empty() || trimmed.starts_with('#') {
                items.push(Item::Verbatim(line.to_owned()));
                lines.next += 1;
            } else {
                items.push(Item::Directive(Directive::parse(&mut lines)?));
            }
        }
        Ok(Self { items })
    }

    /// The script with `block` in place of each directive's output.
    pub(super) fn render(&self, mut block: impl FnMut(&Directive) -> String) -> String {
        let mut text = String::new();
        for item in &self.items {
            match item {
                Item::Verbatim(line) => push_line(&mut text, line),
                Item::Directive(directive) => {
                    directive.source.iter().for_each(|line| push_line(&mut text, line));
                    push_line(&mut text, SEPARATOR);
                    let block = block(directive);
                    text.push_str(&block);
                    if !block.ends_with('\n') {
                        text.push('\n');
                    }
                    text.push('\n');
                }
            }
        }
        if text.ends_with("\n\n") {
            text.pop();
        }
        text
    }
}

fn push_line(text: &mut String, line: &str) {
    text.push_str(line);
    text.push('\n');
}

impl Directive {
    /// Reads one directive; `lines` stands at its first line.
    fn parse(lines: &mut Lines<'_>) -> Result<Self, SyntaxError> {
        let line = lines.next + 1;
        let error = |problem| SyntaxError { line, problem };
        let mut source = Vec::new();
        let head = read_head(lines, &mut source);
        let (command, args) = args::parse(&head).map_err(error)?;
        let input_start = source.len();
        loop {
            match lines.take() {
                Some(SEPARATOR) => break,
                Some(line) => source.push(line.to_owned()),
                None => return Err(error("the directive has no line ----")),
            }
        }
        let input = source[input_start..].join("\n").trim().to_owned();
        let expected = read_expected(lines).map_err(error)?;
        Ok(Self { line, source, command, args, input, expected })
    }

    /// The expected output without the log lines of the reference.
    pub(super) fn log_free_block(&self) -> String {
        let mut block = String::new();
        for line in self.expected.iter().filter(|line| !is_log_line(line)) {
            push_line(&mut block, line);
        }
        if block.is_empty() {
            block.push_str("ok\n");
        }
        block
    }
}

/// The directive line, with its continuations joined on.
fn read_head(lines: &mut Lines<'_>, source: &mut Vec<String>) -> String {
    let mut head = String::new();
    while let Some(line) = lines.take() {
        source.push(line.to_owned());
        head.push_str(line.trim());
        match head.strip_suffix('\\') {
            Some(continued) => head = format!("{continued} "),
            None => break,
        }
    }
    head
}

fn read_expected(lines: &mut Lines<'_>) -> Result<Vec<String>, &'static str> {
    let mut block = Vec::new();
    if lines.peek() != Some(SEPARATOR) {
        while let Some(line) = lines.take() {
            if line.trim().is_empty() {
                break;
            }
            block.push(line.to_owned());
        }
        return Ok(block);
    }
    // The doubled form, for output that contains blank lines.
    lines.next += 1;
    while let Some(line) = lines.take() {
        if line == SEPARATOR && lines.peek() == Some(SEPARATOR) {
            lines.next += 1;
            return match lines.take() {
                None | Some("") => Ok(block),
                Some(_) => Err("the output's end is not followed by an empty line"),
            };
        }
        block.push(line.to_owned());
    }
    Err("the output block does not end")
}

/// etcd's library writes its log into the output blocks; that is not part of the interface.
fn is_log_line(line: &str) -> bool {
    let line = line.trim_start_matches(' ');
    ["DEBUG ", "INFO ", "WARN ", "ERROR ", "FATAL "].iter().any(|level| line.starts_with(level))
}

struct Lines<'a> {
    lines: Vec<&'a str>,
    next: usize,
}

impl<'a> Lines<'a> {
    fn peek(&self) -> Option<&'a str> {
        self.lines.get(self.next).copied()
    }

    fn take(&mut self) -> Option<&'a str> {
        let line = self.peek()?;
        self.next += 1;
        Some(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCRIPT: &str = "\
# comment

propose-conf-change 1 \\
  v1=true
v4

 l5
----
INFO a log line
ok

status 1
----
----
a

b
----
----

raft-state
----
1: x
";

    fn directives(script: &Script) -> Vec<&Directive> {
        fn directive(item: &Item) -> Option<&Directive> {
            if let Item::Directive(found) = item { Some(found) } else { None }
        }
        script.items.iter().filter_map(directive).collect()
    }

    #[test]
    fn a_script_is_cut_into_its_parts() {
        let script = Script::parse(SCRIPT).unwrap();
        assert_eq!(script.items.len(), 5);
        let found = directives(&script);
        assert_eq!(found[0].line, 3);
        assert_eq!(found[0].command, "propose-conf-change");
        assert_eq!(found[0].args.len(), 2);
        assert_eq!(found[0].input, "v4\n\n l5");
        assert_eq!(found[0].log_free_block(), "ok\n");
        assert_eq!(found[1].log_free_block(), "a\n\nb\n");
    }

    #[test]
    fn rendering_keeps_everything_but_the_outputs() {
        let script = Script::parse(SCRIPT).unwrap();
        let rendered = script.render(|_| "new".to_owned());
        let expected = SCRIPT
            .replace("INFO a log line\nok", "new")
            .replace("----\n----\na\n\nb\n----\n----\n", "----\nnew\n")
            .replace("1: x", "new");
        assert_eq!(rendered, expected);
    }

    #[test]
    fn only_log_lines_means_ok() {
        let script = Script::parse("a\n----\n  DEBUG x\n\nb\n----\nDEBUGx\n").unwrap();
        let blocks: Vec<_> = directives(&script).iter().map(|d| d.log_free_block()).collect();
        assert_eq!(blocks, ["ok\n", "DEBUGx\n"]);
    }

    #[test]
    fn broken_scripts_are_errors() {
        for text in ["propose 1 x\nok\n", "a =b\n----\nok\n", "a\n----\n----\nx\n"] {
            assert!(Script::parse(text).is_err(), "{text:?}");
        }
    }
}
