//! Plain text tables: columns as wide as their widest cell, numbers to the right.

/// The rows under a header, every column right-aligned and two spaces apart. No line ends in blanks.
pub fn table(header: &[&str], rows: &[Vec<String>]) -> String {
    let widths: Vec<usize> = (0..header.len())
        .map(|column| {
            let cells = rows.iter().filter_map(|row| row.get(column));
            let widest = cells.map(|cell| cell.chars().count()).max().unwrap_or(0);
            widest.max(header[column].chars().count())
        })
        .collect();
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let padded: Vec<String> = cells
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:>width$}"))
            .collect();
        format!("  {}", padded.join("  ").trim_end())
    };
    let mut lines = vec![line(&mut header.iter().copied())];
    lines.extend(rows.iter().map(|row| line(&mut row.iter().map(String::as_str))));
    lines.join("\n")
}

/// Names to the left, what they stand for beside them.
pub fn fields(rows: &[(&str, String)]) -> String {
    let width = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    let lines: Vec<String> = rows
        .iter()
        .map(|(name, value)| format!("  {name:<width$}  {value}").trim_end().to_owned())
        .collect();
    lines.join("\n")
}

/// 997124 as "997,124".
pub fn thousands(n: usize) -> String {
    let digits = n.to_string();
    let groups: Vec<&str> = digits
        .as_bytes()
        .rchunks(3)
        .rev()
        .map(|group| std::str::from_utf8(group).expect("digits are ASCII"))
        .collect();
    groups.join(",")
}

/// A path as a shell reads it.
pub fn quoted(path: &std::path::Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_alphanumeric() || "/._-+=,:@".contains(c);
    match !text.is_empty() && text.chars().all(plain) {
        true => text,
        false => format!("'{}'", text.replace('\'', "'\\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_can_be_pasted_into_a_shell() {
        for (path, shown) in [
            ("runs/a-1", "runs/a-1"),
            ("läufe/θ", "läufe/θ"),
            ("two words", "'two words'"),
            ("it's", "'it'\\''s'"),
            ("$HOME", "'$HOME'"),
            ("", "''"),
        ] {
            assert_eq!(quoted(std::path::Path::new(path)), shown);
        }
    }

    #[test]
    fn columns_line_up() {
        let rows = vec![vec!["0".into(), "-123.4".into()], vec!["10".into(), "θ".into()]];
        assert_eq!(
            table(&["episode", "x"], &rows),
            "  episode       x\n        0  -123.4\n       10       θ"
        );
        assert_eq!(
            fields(&[("env", "Pendulum-v1".into()), ("threads", "2".into())]),
            "  env      Pendulum-v1\n  threads  2"
        );
    }

    #[test]
    fn long_numbers_are_grouped() {
        for (n, words) in [(0, "0"), (999, "999"), (1000, "1,000"), (12_345_678, "12,345,678")] {
            assert_eq!(thousands(n), words);
        }
    }
}
