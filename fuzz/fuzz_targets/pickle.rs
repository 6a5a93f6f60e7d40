//! A pickle, and every value that hangs on its root.
#![no_main]

use diffplan_tensors::Pickle;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(pickle) = Pickle::from_bytes(data, "x.pkl".as_ref()) else {
        return;
    };
    let root = pickle.root();
    let _ = (
        root.kind(),
        root.describe(),
        root.get("a"),
        root.as_str(),
        root.as_int(),
        root.as_f64(),
        root.as_bool(),
    );
    if let diffplan_tensors::Kind::Object(object) = root.kind() {
        let _ = (object.class(), object.args(), object.get("a"), object.fields());
    }
});
