//! Any of the configurations: of networks, schedulers, statistics, planning; whichever it is meant for, all readers see it.
#![no_main]

use diffplan_data::Normalizers;
use diffplan_files::{Folder, parse_json_object};
use diffplan_models::UNet1dModel;
use diffplan_pipelines::PlanningConfig;
use diffplan_schedulers::Registry;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(map) = parse_json_object(data, "x.json".as_ref()) {
        let _ = diffplan_models::UNet1dConfig::from_map(map);
    }
    if let Ok(scheduler) = Registry::builtin().read(data, "x.json".as_ref()) {
        let _ = scheduler.to_map();
    }
    let _ = Normalizers::from_bytes(data, "x.json".as_ref());
    let folder = Folder::in_memory(
        "x",
        ["config.json", "planning_config.json"].map(|name| (name.to_owned(), data.to_vec())),
    );
    let _ = PlanningConfig::of_folder(&folder);
    let _ = UNet1dModel::from_folder(&folder);
});
