//! What a command prints.

/// Collects the text of one command.
#[derive(Debug, Default)]
pub(super) struct Output {
    text: String,
    /// At log level NONE nothing is printed but the text of an error.
    pub(super) quiet: bool,
}

impl Output {
    pub(super) fn print(&mut self, text: &str) {
        if !self.quiet {
            self.text.push_str(text);
        }
    }

    pub(super) fn print_line(&mut self, line: &str) {
        self.print(line);
        self.print("\n");
    }

    /// Begins a section: gives what was printed before, to be handed to [`Self::end_section`].
    pub(super) fn begin_section(&mut self, header: &str) -> String {
        self.print_line(&format!("> {header}"));
        std::mem::take(&mut self.text)
    }

    /// Ends a section: what was printed in it is indented.
    pub(super) fn end_section(&mut self, before: String) {
        let section = std::mem::replace(&mut self.text, before);
        for line in section.lines() {
            self.print_line(&format!("  {line}"));
        }
    }

    /// Ends a command: its block.
    pub(super) fn finish(&mut self, error: Option<String>) -> String {
        let mut text = std::mem::take(&mut self.text);
        if self.quiet {
            text.clear();
        }
        text.extend(error);
        if text.is_empty() { "ok".to_owned() } else { text }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_are_indented_and_end_in_a_newline() {
        let mut output = Output::default();
        let before = output.begin_section("1 handling Ready");
        output.print("a\nb");
        output.end_section(before);
        output.print("c");
        assert_eq!(output.finish(Some("e".into())), "> 1 handling Ready\n  a\n  b\nce");
    }

    #[test]
    fn a_quiet_command_prints_only_its_error() {
        let mut output = Output { quiet: true, ..Output::default() };
        output.print_line("a");
        assert_eq!(output.finish(None), "ok");
        output.print_line("a");
        assert_eq!(output.finish(Some("e".into())), "e");
    }
}
