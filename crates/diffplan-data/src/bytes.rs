//! Counts of bytes as people read them.

/// `1.5 GiB`, `120 bytes`; counts that do not fit 64 bits end up here as the largest that does.
pub(crate) fn shown(count: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if count < 1024 {
        return format!("{count} bytes");
    }
    let (mut value, mut unit) = (count as f64 / 1024.0, 0);
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    let more = if count == u64::MAX { "more than " } else { "" };
    format!("{more}{value:.1} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_by_people() {
        for (count, text) in [
            (0, "0 bytes"),
            (1023, "1023 bytes"),
            (1536, "1.5 KiB"),
            (5 << 30, "5.0 GiB"),
            (u64::MAX, "more than 16.0 EiB"),
        ] {
            assert_eq!(shown(count), text);
        }
    }
}
