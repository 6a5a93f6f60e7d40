//! [`UNet1dModel`] as a [`Network`].

use super::{TimeFeatures, UNet1dModel, Workspace};
use crate::error::{Error, Result};
use crate::network::{Network, NetworkSession, Signature};
use diffplan_nn::Compute;
use ndarray::{ArrayView3, ArrayViewMut3};
use std::sync::Arc;

impl Network for UNet1dModel {
    fn class_name(&self) -> &str {
        Self::CLASS_NAME
    }

    fn signature(&self) -> Signature {
        Signature {
            out_channels: self.config().out_channels,
            ..Signature::new(self.config().sample_channels())
        }
    }

    fn check_horizon(&self, horizon: usize) -> Result<()> {
        UNet1dModel::check_horizon(self, horizon)
    }

    fn session(self: Arc<Self>, compute: Compute) -> Box<dyn NetworkSession> {
        Box::new(Session {
            workspace: Workspace::with(compute),
            model: self,
            times: Vec::new(),
        })
    }

    fn notes(&self) -> &[String] {
        &self.notes
    }
}

struct Session {
    model: Arc<UNet1dModel>,
    workspace: Workspace,
    times: Vec<TimeFeatures>,
}

impl NetworkSession for Session {
    fn prepare(&mut self, times: &[f32]) {
        self.times.clear();
        self.times
            .extend(times.iter().map(|&time| self.model.time_features(&[time])));
    }

    fn forward(&mut self, x: ArrayView3<'_, f32>, time: usize, out: ArrayViewMut3<'_, f32>) -> Result<()> {
        let times = self.times.len();
        let features = self.times.get(time).ok_or(Error::NoSuchTime { time, times })?;
        let (sample, output) = (x.permuted_axes([0, 2, 1]), out.permuted_axes([0, 2, 1]).into_dyn());
        self.model.forward_into(sample, features, output, &mut self.workspace)
    }
}
