//! An evaluation in a folder: up to a zero byte `evaluation.json`, then its rows, or a training's.
#![no_main]

use diffplan_eval::Comparison;
use diffplan_eval::evaluation::{Asked, Row, Saved, Settings};
use diffplan_fuzz::scratch;
use diffplan_train::session::read_record;
use libfuzzer_sys::fuzz_target;
use std::fs;

fuzz_target!(|data: &[u8]| {
    let folder = scratch();
    let cut = data.iter().position(|&byte| byte == 0).unwrap_or(data.len());
    let (json, rows) = (&data[..cut], data.get(cut + 1..).unwrap_or_default());
    let write = |name, bytes| fs::write(folder.join(name), bytes).expect("a folder to write to");
    write("evaluation.json", json);
    write("episodes.csv", rows);
    if let Ok(Some(saved)) = Saved::read(folder)
        && let Ok(settings) = Settings::again(&Asked::default(), &saved)
    {
        let _ = settings.text(saved.rows.len());
    }
    let _ = Comparison::of_files(folder, folder);
    let _ = read_record(&folder.join("episodes.csv"));
    if let Some(row) = std::str::from_utf8(rows).ok().and_then(Row::parse) {
        assert_eq!(Row::parse(&row.text()).map(|again| again.text()), Some(row.text()));
    }
});
