//! [`nearest`]: the name that was probably meant.

/// The known name nearest to `name` by edits of single letters (insert, delete, replace, swap of neighbours), letter case aside; `None`
/// if none is near enough to have been meant: a third of the longer name's letters, at least one.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let letters = |name: &str| name.to_lowercase().chars().collect::<Vec<char>>();
    let name = letters(name);
    let near = known.into_iter().filter_map(|known| {
        let other = letters(known);
        let longer = name.len().max(other.len());
        // Names of people's files may be long: what cannot be near is not measured.
        if name.len().abs_diff(other.len()) > (longer / 3).max(1) {
            return None;
        }
        let distance = edits(&name, &other);
        (distance <= (longer / 3).max(1)).then_some((distance, known))
    });
    near.min_by_key(|&(distance, _)| distance).map(|(_, known)| known)
}

/// The edits between two words (optimal string alignment).
fn edits(a: &[char], b: &[char]) -> usize {
    let mut rows = [vec![0; b.len() + 1], (0..=b.len()).collect(), vec![0; b.len() + 1]];
    for (i, &x) in a.iter().enumerate() {
        rows[2][0] = i + 1;
        for (j, &y) in b.iter().enumerate() {
            let replaced = rows[1][j] + usize::from(x != y);
            let mut best = replaced.min(rows[1][j + 1] + 1).min(rows[2][j] + 1);
            if i > 0 && j > 0 && x == b[j - 1] && a[i - 1] == y {
                best = best.min(rows[0][j - 1] + 1);
            }
            rows[2][j + 1] = best;
        }
        rows.rotate_left(1);
    }
    rows[1][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_found_and_strangers_are_not() {
        let known = ["batch_size", "planning_horizon", "n_guide_steps", "scale"];
        let nearest = |name| nearest(name, known);
        assert_eq!(nearest("bach_size"), Some("batch_size"));
        assert_eq!(nearest("Batch_Size"), Some("batch_size"));
        assert_eq!(nearest("scael"), Some("scale"));
        assert_eq!(nearest("n_guide_step"), Some("n_guide_steps"));
        assert_eq!(nearest("zebra"), None);
        assert_eq!(nearest(""), None);
        assert_eq!(edits(&['a', 'b'], &['b', 'a']), 1);
        assert_eq!(edits(&[], &['b', 'a']), 2);
        assert_eq!(edits(&['k', 'i', 't'], &['s', 'i', 't', 's']), 2);
    }
}
