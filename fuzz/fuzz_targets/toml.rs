//! The settings of a training.
#![no_main]

use diffplan_fuzz::scratch;
use diffplan_train::session::{Kind, Typed};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let path = scratch().join("training.toml");
    std::fs::write(&path, data).expect("a folder to write to");
    let none = toml::Table::new();
    if let Ok(typed) = Typed::new(&none, &none, Some(&path)) {
        let _ = (typed.notes(&Kind::ALL), typed.out());
        if let Ok(settings) = typed.resolve(&Kind::ALL) {
            let _ = settings.to_toml(None);
        }
    }
});
