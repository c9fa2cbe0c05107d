//! The directive line: a command and its arguments.

use super::CommandError;

/// `key`, `key=value` or `key=(value, value)`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Arg {
    pub(super) key: String,
    /// Empty if the argument is positional.
    pub(super) values: Vec<String>,
}

impl Arg {
    pub(super) fn is_positional(&self) -> bool {
        self.values.is_empty()
    }

    /// The key with each of its values.
    pub(super) fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.values.iter().map(|value| (self.key.as_str(), value.as_str()))
    }
}

/// Cuts a directive line into command and arguments.
pub(super) fn parse(line: &str) -> Result<(String, Vec<Arg>), &'static str> {
    let line = line.trim();
    let (command, mut rest) = split_before(line, &[' ']);
    let mut args = Vec::new();
    loop {
        rest = rest.trim();
        if rest.is_empty() {
            return Ok((command.to_owned(), args));
        }
        let (arg, after) = parse_arg(rest)?;
        args.push(arg);
        rest = after;
    }
}

fn parse_arg(text: &str) -> Result<(Arg, &str), &'static str> {
    let (key, rest) = split_before(text, &[' ', '=']);
    if key.is_empty() {
        return Err("an argument begins with =");
    }
    let (values, rest) = match rest.strip_prefix('=') {
        None => (Vec::new(), rest),
        Some(list) if list.starts_with('(') => parse_list(&list[1..])?,
        Some(value) => {
            let (value, rest) = split_before(value, &[' ']);
            (vec![value.to_owned()], rest)
        }
    };
    Ok((Arg { key: key.to_owned(), values }, rest))
}

/// The values up to the closing parenthesis, and what follows it.
fn parse_list(text: &str) -> Result<(Vec<String>, &str), &'static str> {
    let mut values = vec![String::new()];
    let mut depth = 1;
    let mut at_start = false;
    for (position, char) in text.char_indices() {
        match char {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Ok((values, &text[position + 1..]));
        }
        if char == ',' && depth == 1 {
            values.push(String::new());
            at_start = true;
        } else if !(at_start && char == ' ') {
            at_start = false;
            values.last_mut().expect("never empty").push(char);
        }
    }
    Err("a parenthesis is not closed")
}

fn split_before<'a>(text: &'a str, ends: &[char]) -> (&'a str, &'a str) {
    text.split_at(text.find(ends).unwrap_or(text.len()))
}

/// A decimal number.
pub(super) fn number<N: std::str::FromStr>(text: &str) -> Result<N, CommandError> {
    text.parse().map_err(|_| CommandError::fatal(format!("not a number: {text:?}")))
}

/// A boolean in any of Go's spellings.
pub(super) fn boolean(text: &str) -> Result<bool, CommandError> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Ok(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Ok(false),
        _ => Err(CommandError::fatal(format!("not a boolean: {text:?}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arg(key: &str, values: &[&str]) -> Arg {
        Arg { key: key.into(), values: values.iter().map(|&value| value.into()).collect() }
    }

    #[test]
    fn all_forms_of_arguments() {
        let (command, args) = parse("  cmd 1 a=b c= d=(x,y z,  (p,q)) e=() \"k,)\\").unwrap();
        assert_eq!(command, "cmd");
        let expected = [
            arg("1", &[]),
            arg("a", &["b"]),
            arg("c", &[""]),
            arg("d", &["x", "y z", "(p,q)"]),
            arg("e", &[""]),
            arg("\"k,)\\", &[]),
        ];
        assert_eq!(args, expected);
    }

    #[test]
    fn a_tab_belongs_to_the_key_but_not_at_its_start() {
        let (_, args) = parse("propose 1 \tx\ty").unwrap();
        assert_eq!(args[1], arg("x\ty", &[]));
    }

    #[test]
    fn unbalanced_and_keyless_arguments_are_refused() {
        assert!(parse("cmd a=(b").is_err());
        assert!(parse("cmd =b").is_err());
    }
}
