//! Names the shared library as systems look for it: by its ABI version, which include/diffplan.h has.

use std::path::Path;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=include/diffplan.h");
    let system = std::env::var("CARGO_CFG_TARGET_OS").unwrap_or_default();
    let root = std::env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
    // Before the header was generated for the first time there is none.
    let header = std::fs::read_to_string(Path::new(&root).join("include/diffplan.h")).unwrap_or_default();
    let defined = header
        .lines()
        .find_map(|line| line.strip_prefix("#define DIFFPLAN_ABI_VERSION "));
    let Some(abi) = defined.map(str::trim) else { return };
    match system.as_str() {
        "linux" | "android" | "freebsd" | "netbsd" | "openbsd" => {
            println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libdiffplan.so.{abi}");
        }
        "macos" => println!("cargo:rustc-cdylib-link-arg=-Wl,-install_name,@rpath/libdiffplan.{abi}.dylib"),
        _ => {}
    }
}
