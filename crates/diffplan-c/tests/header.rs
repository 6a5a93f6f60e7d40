//! `include/diffplan.h` is what cbindgen makes of `src/`. `DIFFPLAN_REGENERATE=1 cargo test -p diffplan-c --test header` writes it.

#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::path::Path;

#[test]
fn the_header_is_that_of_the_sources() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let config = cbindgen::Config::from_file(root.join("cbindgen.toml")).unwrap();
    let sources = [
        "last_error",
        "log",
        "noise",
        "options",
        "pipeline",
        "planner/mod",
        "status",
        "version",
    ];
    let mut builder = cbindgen::Builder::new().with_config(config);
    // In the order in which they are to be read.
    let order = [
        "status",
        "version",
        "last_error",
        "log",
        "noise",
        "pipeline",
        "options",
        "planner/mod",
    ];
    assert!(order.iter().all(|name| sources.contains(name)));
    for name in order {
        builder = builder.with_src(root.join(format!("src/{name}.rs")));
    }
    let mut made = Vec::new();
    builder.generate().unwrap().write(&mut made);
    let made = String::from_utf8(made).unwrap();
    let path = root.join("include/diffplan.h");
    if std::env::var_os("DIFFPLAN_REGENERATE").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &made).unwrap();
    }
    let there = std::fs::read_to_string(&path).unwrap_or_default();
    let differs = there.lines().zip(made.lines()).position(|(a, b)| a != b);
    assert!(
        there == made,
        "include/diffplan.h differs from what src/ makes, from line {}: DIFFPLAN_REGENERATE=1 cargo test -p diffplan-c --test header",
        differs.unwrap_or(there.lines().count().min(made.lines().count())) + 1
    );
    // Every function that goes out is in it, once.
    let mut exported = 0;
    for name in sources {
        let text = std::fs::read_to_string(root.join(format!("src/{name}.rs"))).unwrap();
        for line in text.lines().filter(|line| line.contains("extern \"C\" fn diffplan_")) {
            let function = line.split("fn ").nth(1).unwrap().split('(').next().unwrap();
            let call = format!("{function}(");
            let declares = |line: &&str| !line.starts_with(' ') && line.contains(&call);
            assert_eq!(made.lines().filter(declares).count(), 1, "{function}");
            exported += 1;
        }
    }
    assert!(exported > 30, "{exported}");
}
