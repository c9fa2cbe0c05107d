//! A trace as a page to look at: one HTML file, complete in itself.

use std::fmt;

use serde_json::Value;

const PAGE: &str = include_str!("view/page.html");
const STYLE: &str = include_str!("view/page.css");
const SCRIPT: &[&str] =
    &[include_str!("view/model.js"), include_str!("view/lanes.js"), include_str!("view/page.js")];

/// A line of a trace that cannot be shown.
#[derive(Debug)]
pub struct BadLine {
    number: usize,
    problem: String,
}

impl fmt::Display for BadLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.number, self.problem)
    }
}

impl std::error::Error for BadLine {}

/// Makes the page of a trace in the format of `docs/trace.md`. Fails at a line that is not of it.
pub fn page(trace: &str) -> Result<String, BadLine> {
    let mut events = Vec::new();
    for (place, line) in trace.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let bad = |problem: &str| BadLine { number: place + 1, problem: problem.to_owned() };
        let event: Value = serde_json::from_str(line).map_err(|error| bad(&error.to_string()))?;
        if !event["t"].is_u64() || !event["kind"].is_string() {
            return Err(bad("no event: `t` or `kind` is missing"));
        }
        events.push(event);
    }
    // In JSON an angle bracket stands only in text, where its code is as good: nothing in a trace can
    // end the element that it is in.
    let data = Value::from(events).to_string().replace('<', "\\u003c");
    let (head, rest) = split(PAGE, "/*STYLE*/");
    let (body, rest) = split(rest, "/*TRACE*/");
    let (between, end) = split(rest, "/*SCRIPT*/");
    Ok([head, STYLE, body, &data, between, &SCRIPT.join("\n"), end].concat())
}

fn split<'a>(text: &'a str, mark: &str) -> (&'a str, &'a str) {
    text.split_once(mark).expect("the template has its marks")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_needs_nothing_else_and_nothing_breaks_out_of_it() {
        let text = r#"{"t":1,"n":1,"kind":"note","text":"</script><script>alert('x')</script><!--"}"#;
        let page = page(text).unwrap();
        assert_eq!(page.matches("</script>").count(), 2);
        assert!(!page.contains("alert('x')</") && !page.contains("<!--"));
        assert!(!page.contains("http://") && !page.contains("https://") && !page.contains(" src="));
        let data = page.split_once(r#"id="trace">"#).unwrap().1.split_once("</script>").unwrap().0;
        let events: Value = serde_json::from_str(data).unwrap();
        assert_eq!(events[0]["text"], "</script><script>alert('x')</script><!--");
    }

    #[test]
    fn what_is_no_trace_is_refused_with_its_line() {
        let error = |text: &str| page(text).unwrap_err().to_string();
        assert!(error("{\"t\":1,\"kind\":\"calm\"}\n{").starts_with("line 2: "));
        assert_eq!(error("{\"t\":1}"), "line 1: no event: `t` or `kind` is missing");
    }
}
