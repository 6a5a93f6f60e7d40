//! Kind `unet_accepts`: configurations and lengths that diffusers takes, with the shape of the output, and those that it refuses.

use super::case::{Case, CaseError};
use super::compare::Report;
use diffplan_models::{UNet1dConfig, UNet1dModel};
use ndarray::Array3;
use ndarray_rand::rand::SeedableRng;
use ndarray_rand::rand::rngs::StdRng;
use serde_json::Value;

pub(super) fn check(case: &Case, report: &mut Report) -> Result<(), CaseError> {
    let rows = case.value("rows");
    let rows = rows.as_array().ok_or_else(|| case.wrong_key("rows", "a list"))?;
    let mut more = 0;
    for (i, row) in rows.iter().enumerate() {
        let own = output_shape(row);
        match (&row["output_shape"], own) {
            (Value::Null, Ok(_)) => more += 1,
            (Value::Null, Err(_)) => {}
            (expected, own) => {
                let own = own.map_err(|e| CaseError::Refused(format!("row {i}: {e}")))?;
                if Value::from(own.clone()) != *expected {
                    return Err(CaseError::Refused(format!(
                        "row {i}: output {own:?}, expected {expected}"
                    )));
                }
                report.record(format!("row {i}"), 0.0, 0.0);
            }
        }
    }
    if more > 0 {
        report
            .notes
            .push(format!("{more} rows that diffusers refuses are taken"));
    }
    Ok(())
}

/// The output's shape for two samples, of a network that is built and run.
fn output_shape(row: &Value) -> Result<Vec<usize>, String> {
    let object = row["config"].as_object().ok_or("no config")?;
    let length = row["length"].as_u64().ok_or("no length")? as usize;
    let (config, _) = UNet1dConfig::from_map(object.clone()).map_err(|e| e.to_string())?;
    let channels = config.in_channels;
    let mut model = UNet1dModel::new(config).map_err(|e| e.to_string())?;
    model.init(&mut StdRng::seed_from_u64(0));
    let sample = Array3::from_shape_fn((2, channels, length), |(b, c, l)| ((b + 3 * c + 7 * l) as f32).sin());
    let output = model.forward(sample.view(), &[1.0, 2.0]).map_err(|e| e.to_string())?;
    match output.iter().all(|x| x.is_finite()) {
        true => Ok(output.shape().to_vec()),
        false => Err("the output is not finite".into()),
    }
}
