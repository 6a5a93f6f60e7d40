//! The convolutions of the two Hopper networks: by name, how often each network has them, how much they multiply, and a layer
//! made ready to run.

use crate::normal;
use diffplan_kernels::ToomCook;
use diffplan_nn::{Algorithm, Compute, Conv1d, ConvTranspose1d, Exec, Params, Precision, Signal, zeros_like};
use ndarray_rand::rand::{SeedableRng, rngs::StdRng};

/// Kernel, stride and padding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Kernel 5, padding 2: of the residual blocks, and of the last block.
    Kernel5,
    /// Kernel 1: of the residual paths where channels change, and the planner's last.
    Kernel1,
    /// Kernel 3, stride 2, padding 1.
    Down,
    /// Transposed: kernel 4, stride 2, padding 1.
    Up,
}

/// All convolutions of one shape.
#[derive(Clone, Copy, Debug)]
pub struct Layer {
    /// One of the planner's layers of that shape, or of the value function's where the planner has none.
    pub name: &'static str,
    /// What kind of convolution.
    pub kind: Kind,
    /// In channels.
    pub inputs: usize,
    /// Out channels.
    pub outputs: usize,
    /// The input's length.
    pub len: usize,
    /// How many the planner has.
    pub planner: usize,
    /// How many the value function has.
    pub value: usize,
}

const fn layer(
    name: &'static str,
    kind: Kind,
    inputs: usize,
    outputs: usize,
    len: usize,
    planner: usize,
    value: usize,
) -> Layer {
    Layer {
        name,
        kind,
        inputs,
        outputs,
        len,
        planner,
        value,
    }
}

/// Every shape of the two networks in the order of a forward pass, the planner's first. Down to its last level the value
/// function has the planner's; the planner's middle has four more of its last level's.
pub const LAYERS: [Layer; 37] = {
    use Kind::{Down, Kernel1, Kernel5, Up};
    [
        layer("planner.down0.conv_in", Kernel5, 14, 32, 32, 1, 1),
        layer("planner.down0.conv", Kernel5, 32, 32, 32, 4, 3), // and the planner's out.conv
        layer("planner.down0.residual", Kernel1, 14, 32, 32, 1, 1),
        layer("planner.down0.downsample", Down, 32, 32, 32, 1, 1),
        layer("planner.down1.conv_in", Kernel5, 32, 64, 16, 1, 1),
        layer("planner.down1.conv", Kernel5, 64, 64, 16, 3, 3),
        layer("planner.down1.residual", Kernel1, 32, 64, 16, 1, 1),
        layer("planner.down1.downsample", Down, 64, 64, 16, 1, 1),
        layer("planner.down2.conv_in", Kernel5, 64, 128, 8, 1, 1),
        layer("planner.down2.conv", Kernel5, 128, 128, 8, 3, 3),
        layer("planner.down2.residual", Kernel1, 64, 128, 8, 1, 1),
        layer("planner.down2.downsample", Down, 128, 128, 8, 1, 1),
        layer("planner.down3.conv_in", Kernel5, 128, 256, 4, 1, 1),
        layer("planner.down3.residual", Kernel1, 128, 256, 4, 1, 1),
        layer("planner.mid.conv", Kernel5, 256, 256, 4, 7, 3), // and both networks' down3.conv
        layer("planner.up0.conv_in", Kernel5, 512, 128, 4, 1, 0),
        layer("planner.up0.conv", Kernel5, 128, 128, 4, 3, 0),
        layer("planner.up0.residual", Kernel1, 512, 128, 4, 1, 0),
        layer("planner.up0.upsample", Up, 128, 128, 4, 1, 0),
        layer("planner.up1.conv_in", Kernel5, 256, 64, 8, 1, 0),
        layer("planner.up1.conv", Kernel5, 64, 64, 8, 3, 0),
        layer("planner.up1.residual", Kernel1, 256, 64, 8, 1, 0),
        layer("planner.up1.upsample", Up, 64, 64, 8, 1, 0),
        layer("planner.up2.conv_in", Kernel5, 128, 32, 16, 1, 0),
        layer("planner.up2.conv", Kernel5, 32, 32, 16, 3, 0),
        layer("planner.up2.residual", Kernel1, 128, 32, 16, 1, 0),
        layer("planner.up2.upsample", Up, 32, 32, 16, 1, 0),
        layer("planner.out.conv_out", Kernel1, 32, 14, 32, 1, 0),
        layer("value.down3.downsample", Down, 256, 256, 4, 0, 1),
        layer("value.mid.res1.conv_in", Kernel5, 256, 128, 2, 0, 1),
        layer("value.mid.res1.conv_out", Kernel5, 128, 128, 2, 0, 1),
        layer("value.mid.res1.residual", Kernel1, 256, 128, 2, 0, 1),
        layer("value.mid.down1", Down, 128, 128, 2, 0, 1),
        layer("value.mid.res2.conv_in", Kernel5, 128, 64, 1, 0, 1),
        layer("value.mid.res2.conv_out", Kernel5, 64, 64, 1, 0, 1),
        layer("value.mid.res2.residual", Kernel1, 128, 64, 1, 0, 1),
        layer("value.mid.down2", Down, 64, 64, 1, 0, 1),
    ]
};

/// What is run of a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pass {
    /// The output.
    Forward,
    /// The gradient with respect to the input.
    InputGrad,
    /// The gradient with respect to the weight.
    WeightGrad,
}

impl Pass {
    /// All of them.
    pub const ALL: [Pass; 3] = [Pass::Forward, Pass::InputGrad, Pass::WeightGrad];

    /// Its name in ids and tables.
    pub fn name(self) -> &'static str {
        match self {
            Pass::Forward => "forward",
            Pass::InputGrad => "input_grad",
            Pass::WeightGrad => "weight_grad",
        }
    }
}

/// How a convolution multiplies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// With fewer multiplications, where that is possible.
    ToomCook,
    /// Tap by tap in float32.
    Direct,
    /// Tap by tap in bfloat16.
    Bf16,
}

impl Method {
    /// All of them.
    pub const ALL: [Method; 3] = [Method::ToomCook, Method::Direct, Method::Bf16];

    /// Its name in ids and tables.
    pub fn name(self) -> &'static str {
        match self {
            Method::ToomCook => "toom_cook",
            Method::Direct => "direct",
            Method::Bf16 => "bf16",
        }
    }

    /// In which precision it multiplies.
    pub fn precision(self) -> Precision {
        match self {
            Method::ToomCook | Method::Direct => Precision::F32,
            Method::Bf16 => Precision::Bf16,
        }
    }

    /// What makes layers take it, on one thread.
    pub fn compute(self) -> Compute {
        Compute {
            threads: 1,
            algorithm: match self {
                Method::ToomCook => Algorithm::ToomCook,
                Method::Direct | Method::Bf16 => Algorithm::Direct,
            },
            precision: self.precision(),
        }
    }
}

/// A layer and a batch: a call runs a pass.
macro_rules! ready {
    ($conv:expr, $len:expr, $batch:expr, $compute:expr) => {{
        let conv = $conv;
        let mut exec = Exec::default();
        exec.compute = $compute;
        let (x, mut y) = (normal($len, $batch, conv.in_channels()), Signal::default());
        conv.forward(&x, &mut y, &mut exec);
        let (dy, mut dx, mut grad) = (y.clone(), Signal::default(), zeros_like(&conv));
        Box::new(move |pass| match pass {
            Pass::Forward => conv.forward(&x, &mut y, &mut exec),
            Pass::InputGrad => conv.input_grad(&dy, x.len(), &mut dx, &mut exec),
            Pass::WeightGrad => conv.weight_grad(&x, &dy, &mut grad),
        })
    }};
}

impl Layer {
    /// Kernel, stride, padding.
    fn kernel(&self) -> (usize, usize, usize) {
        match self.kind {
            Kind::Kernel5 => (5, 1, 2),
            Kind::Kernel1 => (1, 1, 0),
            Kind::Down => (3, 2, 1),
            Kind::Up => (4, 2, 1),
        }
    }

    /// The output's length.
    pub fn out_len(&self) -> usize {
        match self.kind {
            Kind::Kernel5 | Kind::Kernel1 => self.len,
            Kind::Down => self.len.div_ceil(2),
            Kind::Up => 2 * self.len,
        }
    }

    /// Its channels, kernel and input length.
    pub fn shape(&self) -> String {
        let (kernel, stride, _) = self.kernel();
        let stride = match self.kind {
            Kind::Up => format!(" up {stride}"),
            _ if stride > 1 => format!(" down {stride}"),
            _ => String::new(),
        };
        format!("{}-{} k{kernel}{stride} at {}", self.inputs, self.outputs, self.len)
    }

    /// The layer with random weights, of any kind but the transposed one.
    ///
    /// # Panics
    /// If it is transposed.
    pub fn conv(&self) -> Conv1d {
        assert!(self.kind != Kind::Up, "a transposed convolution");
        let (kernel, stride, padding) = self.kernel();
        let conv = Conv1d::zeros(self.inputs, self.outputs, kernel);
        random(conv.stride(stride).padding(padding))
    }

    /// The layer with random weights and a batch, ready to run passes. What the active instruction set does with weights is
    /// settled here.
    pub fn ready(&self, batch: usize, method: Method) -> Box<dyn FnMut(Pass)> {
        let compute = method.compute();
        if self.kind == Kind::Up {
            let (kernel, stride, padding) = self.kernel();
            let conv = ConvTranspose1d::zeros(self.inputs, self.outputs, kernel);
            let conv = random(conv.stride(stride).padding(padding));
            return ready!(conv, self.len, batch, compute);
        }
        ready!(self.conv(), self.len, batch, compute)
    }

    /// Multiplications and additions of the direct sum, those with padding left out. They are as many in every pass.
    pub fn flops(&self, batch: usize) -> u64 {
        let (kernel, stride, padding) = self.kernel();
        let (short, long) = match self.kind {
            Kind::Up => (self.len, self.out_len()),
            _ => (self.out_len(), self.len),
        };
        // Position p of the shorter signal meets p · stride + k − padding of the longer one.
        let met = |p: usize| {
            let met = (0..kernel).filter(|k| (padding..long + padding).contains(&(p * stride + k)));
            met.count()
        };
        self.product(batch) * (0..short).map(met).sum::<usize>() as u64
    }

    /// Multiplications and additions that are left of them.
    pub fn flops_left(&self, batch: usize, method: Method, pass: Pass) -> u64 {
        if method != Method::ToomCook || !self.takes(method, pass) {
            return self.flops(batch);
        }
        // A tile is four positions.
        let products = if self.len == 4 { 7 } else { 8 };
        self.product(batch) * (self.len / 4 * products) as u64
    }

    /// One position's product with one tap.
    fn product(&self, batch: usize) -> u64 {
        2 * (batch * self.inputs * self.outputs) as u64
    }

    /// Whether a pass is computed by this method where it is asked for; where not, tap by tap in float32.
    pub fn takes(&self, method: Method, pass: Pass) -> bool {
        match method {
            Method::ToomCook => self.kind == Kind::Kernel5 && ToomCook::takes(self.len) && pass != Pass::WeightGrad,
            Method::Direct => true,
            Method::Bf16 => pass != Pass::WeightGrad,
        }
    }
}

/// A layer with random weights.
pub(crate) fn random<P: Params>(mut layer: P) -> P {
    layer.init(&mut StdRng::seed_from_u64(3));
    layer
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{CHANNELS, HORIZON, LEVELS};
    use diffplan_models::{UNet1dConfig, UNet1dModel, named_params};

    /// (out, in, kernel) of every convolution of a network, sorted; transposed ones have as many in as out.
    fn convolutions(config: UNet1dConfig) -> Vec<Vec<usize>> {
        let model = UNet1dModel::new(config).unwrap();
        let params = named_params(&model).into_iter();
        let mut shapes: Vec<_> = params
            .filter_map(|(_, p)| (p.ndim() == 3).then(|| p.shape().to_vec()))
            .collect();
        shapes.sort();
        shapes
    }

    #[test]
    fn the_table_has_the_networks_convolutions_as_often_as_they_do() {
        let of_table = |count: fn(&Layer) -> usize| {
            let mut shapes: Vec<_> = LAYERS
                .iter()
                .flat_map(|layer| vec![vec![layer.outputs, layer.inputs, layer.kernel().0]; count(layer)])
                .collect();
            shapes.sort();
            shapes
        };
        let planner = convolutions(UNet1dConfig::planner(CHANNELS, &LEVELS));
        assert_eq!(of_table(|layer| layer.planner), planner);
        let value = convolutions(UNet1dConfig::value_function(CHANNELS, &LEVELS));
        assert_eq!(of_table(|layer| layer.value), value);
    }

    #[test]
    fn names_are_distinct_and_so_are_shapes() {
        for (i, layer) in LAYERS.iter().enumerate() {
            assert!(
                layer.len <= HORIZON && layer.planner + layer.value > 0,
                "{}",
                layer.name
            );
            for other in &LAYERS[..i] {
                assert_ne!(layer.name, other.name);
                assert_ne!(layer.shape(), other.shape(), "{} and {}", layer.name, other.name);
            }
        }
    }

    #[test]
    fn every_pass_of_every_layer_runs_by_every_method() {
        for layer in LAYERS {
            for method in Method::ALL {
                let mut run = layer.ready(2, method);
                Pass::ALL.into_iter().for_each(&mut run);
            }
        }
    }

    #[test]
    fn multiplications_are_those_counted_by_hand() {
        let layer = |name: &str| LAYERS.into_iter().find(|layer| layer.name == name).unwrap();
        for (name, direct, toom_cook) in [
            ("planner.mid.conv", 14, 7),       // 3 + 4 + 4 + 3
            ("planner.down2.conv", 34, 16),    // 8 · 5 less 2 · (2 + 1)
            ("planner.up0.residual", 4, 4),    // one a position
            ("planner.up0.upsample", 14, 14),  // 4 · 4 less one at either end
            ("value.down3.downsample", 5, 5),  // 2 and 3
            ("value.mid.res1.conv_in", 4, 4),  // every position with every other
            ("value.mid.res2.conv_out", 1, 1), // the tap in the middle
        ] {
            let layer = layer(name);
            let one = 2 * (3 * layer.inputs * layer.outputs) as u64;
            assert_eq!(layer.flops(3), direct * one, "{name}");
            let left = |method, pass| layer.flops_left(3, method, pass);
            assert_eq!(left(Method::ToomCook, Pass::InputGrad), toom_cook * one, "{name}");
            for (method, pass) in [
                (Method::ToomCook, Pass::WeightGrad),
                (Method::Direct, Pass::Forward),
                (Method::Bf16, Pass::Forward),
            ] {
                assert_eq!(left(method, pass), direct * one, "{name}");
            }
        }
    }
}
