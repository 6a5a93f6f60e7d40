//! What parameters are called in the original and in diffusers, both ways, by tables that are written out.
//!
//! `#` stands for a number. Inside of a residual block, a normalisation and an attention names differ as well; the last column says
//! which of these a row is.

/// What the rest of a name is.
#[derive(Clone, Copy, Debug)]
enum Inner {
    /// `weight` and `bias`, in both.
    Pair,
    /// `weight` alone.
    Weight,
    /// `g` and `b`, (1, channels, 1), which are `weight` and `bias`, (channels).
    Norm,
    /// A residual block: [`BLOCK`].
    Block,
}
use Inner::{Block, Norm, Pair, Weight};

/// Theirs, ours, what follows.
type Row = (&'static str, &'static str, Inner);

const BLOCK: &[Row] = &[
    ("blocks.0.block.0", "conv_in.conv1d", Pair),
    ("blocks.0.block.2", "conv_in.group_norm", Pair),
    ("blocks.1.block.0", "conv_out.conv1d", Pair),
    ("blocks.1.block.2", "conv_out.group_norm", Pair),
    ("time_mlp.1", "time_emb", Pair),
    ("residual_conv", "residual_conv", Pair),
];

const TIME: &[Row] = &[
    ("time_mlp.1", "time_mlp.linear_1", Pair),
    ("time_mlp.3", "time_mlp.linear_2", Pair),
];

const PLANNER: &[Row] = &[
    ("downs.#.0", "down_blocks.#.resnets.0", Block),
    ("downs.#.1", "down_blocks.#.resnets.1", Block),
    ("mid_block1", "mid_block.resnets.0", Block),
    ("mid_block2", "mid_block.resnets.1", Block),
    ("ups.#.0", "up_blocks.#.resnets.0", Block),
    ("ups.#.1", "up_blocks.#.resnets.1", Block),
    ("final_conv.0.block.0", "out_block.final_conv1d_1", Pair),
    ("final_conv.0.block.2", "out_block.final_conv1d_gn", Pair),
    ("final_conv.1", "out_block.final_conv1d_2", Pair),
];

/// With a place for attention before what changes the length.
const MAIN_PLANNER: &[Row] = &[
    ("downs.#.2.fn.norm", "down_blocks.#.attention.norm", Norm),
    ("downs.#.2.fn.fn.to_qkv", "down_blocks.#.attention.to_qkv", Weight),
    ("downs.#.2.fn.fn.to_out", "down_blocks.#.attention.to_out", Pair),
    ("downs.#.3.conv", "down_blocks.#.downsample.conv", Pair),
    ("mid_attn.fn.norm", "mid_block.attention.norm", Norm),
    ("mid_attn.fn.fn.to_qkv", "mid_block.attention.to_qkv", Weight),
    ("mid_attn.fn.fn.to_out", "mid_block.attention.to_out", Pair),
    ("ups.#.2.fn.norm", "up_blocks.#.attention.norm", Norm),
    ("ups.#.2.fn.fn.to_qkv", "up_blocks.#.attention.to_qkv", Weight),
    ("ups.#.2.fn.fn.to_out", "up_blocks.#.attention.to_out", Pair),
    ("ups.#.3.conv", "up_blocks.#.upsample.conv", Pair),
];

/// Without.
const MAZE_PLANNER: &[Row] = &[
    ("downs.#.2.conv", "down_blocks.#.downsample.conv", Pair),
    ("ups.#.2.conv", "up_blocks.#.upsample.conv", Pair),
];

const VALUE: &[Row] = &[
    ("blocks.#.0", "down_blocks.#.resnets.0", Block),
    ("blocks.#.1", "down_blocks.#.resnets.1", Block),
    ("blocks.#.2.conv", "down_blocks.#.downsample.conv", Pair),
    ("final_block.0", "out_block.final_block.0", Pair),
    ("final_block.2", "out_block.final_block.2", Pair),
];

const MAIN_VALUE: &[Row] = &[
    ("mid_block1", "mid_block.res1", Block),
    ("mid_down1.conv", "mid_block.down1.conv", Pair),
    ("mid_block2", "mid_block.res2", Block),
    ("mid_down2.conv", "mid_block.down2.conv", Pair),
];

/// The networks there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NetworkKind {
    /// `TemporalUnet` of branch main, with or without attention.
    MainPlanner,
    /// `TemporalUnet` of branch maze2d.
    MazePlanner,
    /// `ValueFunction` of branch main.
    MainValue,
    /// `TemporalValue` of branch maze2d.
    MazeValue,
}

impl NetworkKind {
    /// Which it is, by the names in a state; `None` if it is none of them.
    pub fn of<'a>(names: impl Iterator<Item = &'a str> + Clone) -> Option<Self> {
        let has = |start: &str| names.clone().any(|name| name.starts_with(start));
        if has("downs.0.0.blocks.") {
            // Of one level alone nothing tells the branches apart, nor differs between them.
            return Some(match has("downs.0.2.conv.") {
                true => Self::MazePlanner,
                false => Self::MainPlanner,
            });
        }
        if has("blocks.0.0.blocks.") {
            return Some(match has("mid_block1.") {
                true => Self::MainValue,
                false => Self::MazeValue,
            });
        }
        None
    }

    /// Whether it is a value function.
    pub fn is_value(self) -> bool {
        matches!(self, Self::MainValue | Self::MazeValue)
    }

    /// Its class in the original.
    pub fn class(self) -> &'static str {
        match self {
            Self::MainPlanner | Self::MazePlanner => "TemporalUnet",
            Self::MainValue => "ValueFunction",
            Self::MazeValue => "TemporalValue",
        }
    }

    fn tables(self) -> [&'static [Row]; 3] {
        match self {
            Self::MainPlanner => [TIME, PLANNER, MAIN_PLANNER],
            Self::MazePlanner => [TIME, PLANNER, MAZE_PLANNER],
            Self::MainValue => [TIME, VALUE, MAIN_VALUE],
            Self::MazeValue => [TIME, VALUE, &[]],
        }
    }

    /// What a parameter of the original (without `model.`) is called in diffusers; `None` if there is none of that name.
    pub fn ours(self, theirs: &str) -> Option<String> {
        translate(theirs, &self.tables(), false)
    }

    /// What a parameter of ours is called in the original.
    pub fn theirs(self, ours: &str) -> Option<String> {
        translate(ours, &self.tables(), true)
    }
}

/// A name by the tables, from their first column to the second, or back.
fn translate(name: &str, tables: &[&[Row]], back: bool) -> Option<String> {
    let rows = tables.iter().flat_map(|table| table.iter());
    rows.into_iter().find_map(|&(theirs, ours, inner)| {
        let (from, to) = if back { (ours, theirs) } else { (theirs, ours) };
        let (number, rest) = after(name, from)?;
        let rest = match (inner, rest, back) {
            (Pair, "weight" | "bias", _) | (Weight, "weight", _) => rest.to_owned(),
            (Norm, "g", false) => "weight".into(),
            (Norm, "b", false) => "bias".into(),
            (Norm, "weight", true) => "g".into(),
            (Norm, "bias", true) => "b".into(),
            (Block, ..) => translate(rest, &[BLOCK], back)?,
            _ => return None,
        };
        Some(format!("{}.{rest}", to.replacen('#', number, 1)))
    })
}

/// The number that a name has in the place of a pattern's `#` ("" if there is none), and what follows the pattern.
fn after<'a>(name: &'a str, pattern: &str) -> Option<(&'a str, &'a str)> {
    let Some((before, behind)) = pattern.split_once('#') else {
        return Some(("", name.strip_prefix(pattern)?.strip_prefix('.')?));
    };
    let name = name.strip_prefix(before)?;
    let digits = name.find(|c: char| !c.is_ascii_digit())?;
    let (number, rest) = name.split_at(digits);
    // One way to write a number, so that no two names become one.
    let plain = number == "0" || !(number.is_empty() || number.starts_with('0'));
    plain.then_some(())?;
    Some((number, rest.strip_prefix(behind)?.strip_prefix('.')?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [NetworkKind; 4] = [
        NetworkKind::MainPlanner,
        NetworkKind::MazePlanner,
        NetworkKind::MainValue,
        NetworkKind::MazeValue,
    ];

    #[test]
    fn every_row_goes_there_and_back_and_no_two_are_one() {
        for kind in ALL {
            let mut seen = std::collections::BTreeSet::new();
            for (theirs, _, inner) in kind.tables().concat() {
                let ends: Vec<String> = match inner {
                    Pair => vec!["weight".into(), "bias".into()],
                    Weight => vec!["weight".into()],
                    Norm => vec!["g".into(), "b".into()],
                    Block => BLOCK.iter().map(|(block, ..)| format!("{block}.bias")).collect(),
                };
                for end in ends {
                    let name = format!("{}.{end}", theirs.replace('#', "10"));
                    let ours = kind.ours(&name).unwrap_or_else(|| panic!("{kind:?}: {name}"));
                    assert_eq!(kind.theirs(&ours).as_deref(), Some(name.as_str()), "{kind:?}: {ours}");
                    assert!(seen.insert(ours), "{kind:?}: {name}");
                }
            }
        }
    }

    #[test]
    fn names_of_both_branches() {
        let rows = [
            (
                NetworkKind::MainPlanner,
                "downs.2.3.conv.weight",
                "down_blocks.2.downsample.conv.weight",
            ),
            (
                NetworkKind::MazePlanner,
                "downs.2.2.conv.weight",
                "down_blocks.2.downsample.conv.weight",
            ),
            (
                NetworkKind::MainPlanner,
                "ups.0.2.fn.norm.g",
                "up_blocks.0.attention.norm.weight",
            ),
            (
                NetworkKind::MainPlanner,
                "mid_block2.blocks.1.block.2.bias",
                "mid_block.resnets.1.conv_out.group_norm.bias",
            ),
            (
                NetworkKind::MainValue,
                "mid_block2.time_mlp.1.bias",
                "mid_block.res2.time_emb.bias",
            ),
            (
                NetworkKind::MazeValue,
                "final_block.2.weight",
                "out_block.final_block.2.weight",
            ),
        ];
        for (kind, theirs, ours) in rows {
            assert_eq!(kind.ours(theirs).as_deref(), Some(ours));
        }
    }

    #[test]
    fn strange_names_have_none() {
        for name in [
            "",
            "downs",
            "downs.0.0",
            "downs.00.3.conv.weight",
            "downs.0.3.conv.weight.x",
            "downs.x.3.conv.weight",
            "downs.0.2.fn.norm.weight",
            "downs.0.2.fn.fn.to_qkv.bias",
            "time_mlp.2.weight",
            "mid_block1.blocks.2.block.0.weight",
        ] {
            assert_eq!(NetworkKind::MainPlanner.ours(name), None, "{name}");
        }
        assert_eq!(NetworkKind::MazePlanner.ours("downs.0.3.conv.weight"), None);
        assert_eq!(NetworkKind::MazeValue.ours("mid_block1.time_mlp.1.bias"), None);
    }
}
