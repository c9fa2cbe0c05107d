//! Payloads between double quotes.

use std::fmt::Write;

use unicode_properties::{GeneralCategoryGroup, UnicodeGeneralCategory};

/// `bytes`, read as UTF-8, between double quotes, with everything unprintable escaped.
pub(super) fn quote(bytes: &[u8]) -> String {
    let mut quoted = String::with_capacity(bytes.len() + 2);
    quoted.push('"');
    for chunk in bytes.utf8_chunks() {
        chunk.valid().chars().for_each(|char| push_char(&mut quoted, char));
        for byte in chunk.invalid() {
            push_escape(&mut quoted, format_args!("\\x{byte:02x}"));
        }
    }
    quoted.push('"');
    quoted
}

fn push_char(quoted: &mut String, char: char) {
    let escape = match char {
        '"' => "\\\"",
        '\\' => "\\\\",
        '\x07' => "\\a",
        '\x08' => "\\b",
        '\t' => "\\t",
        '\n' => "\\n",
        '\x0b' => "\\v",
        '\x0c' => "\\f",
        '\r' => "\\r",
        _ if is_printable(char) => return quoted.push(char),
        _ => "",
    };
    let code = u32::from(char);
    match code {
        _ if !escape.is_empty() => quoted.push_str(escape),
        0..0x80 => push_escape(quoted, format_args!("\\x{code:02x}")),
        0x80..0x1_0000 => push_escape(quoted, format_args!("\\u{code:04x}")),
        _ => push_escape(quoted, format_args!("\\U{code:08x}")),
    }
}

fn push_escape(quoted: &mut String, escape: std::fmt::Arguments<'_>) {
    quoted.write_fmt(escape).expect("a String takes everything");
}

fn is_printable(char: char) -> bool {
    use GeneralCategoryGroup::{Letter, Mark, Number, Punctuation, Symbol};
    let group = char.general_category_group();
    char == ' ' || matches!(group, Letter | Mark | Number | Punctuation | Symbol)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_unprintable_is_escaped() {
        for (bytes, expected) in [
            (&b""[..], r#""""#),
            (b"a\"b\\c'", r#""a\"b\\c'""#),
            (b"\x00\x07\x08\t\n\x0b\x0c\r\x1b\x7f", r#""\x00\a\b\t\n\v\f\r\x1b\x7f""#),
            ("é\u{301}€ 😀".as_bytes(), "\"é\u{301}€ 😀\""),
            ("\u{a0}\u{200b}\u{e000}\u{e0001}".as_bytes(), r#""\u00a0\u200b\ue000\U000e0001""#),
            ("\u{fffd}".as_bytes(), "\"\u{fffd}\""),
            (b"a\xffb\xe2\x82", r#""a\xffb\xe2\x82""#),
        ] {
            assert_eq!(quote(bytes), expected);
        }
    }
}
