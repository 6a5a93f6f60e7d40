//! Reads the tree of bodies from MJCF, as far as pictures of robots need it. What would move limbs and is not known is an error.

use std::str::FromStr;

use roxmltree::{Document, Node};

use crate::{Error, Result};

/// Bodies within bodies: no robot has that many.
const DEEPEST: usize = 64;
/// Attributes that turn a body or a geom, and are not known.
const UNKNOWN_TURNS: [&str; 4] = ["euler", "xyaxes", "zaxis", "class"];

/// What a tree of bodies becomes: told of a body first, then of its joints and geoms, then of its children.
pub(super) trait Robot {
    /// A body's number.
    fn body<'a>(&mut self, frame: &Frame<'a>, node: Node<'a, 'a>, parent: Option<usize>) -> Result<usize>;
    /// `<joint>` or `<freejoint>`.
    fn joint<'a>(&mut self, frame: &Frame<'a>, node: Node<'a, 'a>, body: usize) -> Result<()>;
    /// Of a body, or of the world.
    fn geom<'a>(&mut self, frame: &Frame<'a>, node: Node<'a, 'a>, body: Option<usize>) -> Result<()>;
    /// The plane that the world has.
    fn ground<'a>(&mut self, node: Node<'a, 'a>) -> Result<()>;
}

/// Tells `robot` of all bodies of a file, at least one.
pub(super) fn walk(xml: &str, robot: &mut impl Robot) -> Result<()> {
    let document = Document::parse(xml).map_err(|error| Error::Mjcf {
        line: error.pos().row,
        reason: format!("no well-formed XML: {error}"),
    })?;
    let frame = Frame::of(&document)?;
    let mut bodies = 0;
    for node in frame.world.children().filter(Node::is_element) {
        match node.tag_name().name() {
            "body" => {
                bodies += 1;
                body(&frame, node, None, 0, robot)?;
            }
            "geom" if of(node, frame.geom, "type") == Some("plane") => robot.ground(node)?,
            "geom" => robot.geom(&frame, node, None)?,
            "light" | "camera" | "site" => {}
            other => return Err(wrong(node, format!("<{other}> in the world is not known"))),
        }
    }
    match bodies {
        0 => Err(wrong(frame.world, "no body, expected a robot".into())),
        _ => Ok(()),
    }
}

fn body<'a>(
    frame: &Frame<'a>,
    node: Node<'a, 'a>,
    parent: Option<usize>,
    depth: usize,
    robot: &mut impl Robot,
) -> Result<()> {
    if depth > DEEPEST {
        return Err(wrong(node, format!("bodies are more than {DEEPEST} deep")));
    }
    if node.has_attribute("childclass") {
        return Err(wrong(node, "default classes beside the main one are not known".into()));
    }
    let this = robot.body(frame, node, parent)?;
    // Joints of a body come before those of its children, wherever they stand.
    let elements = || node.children().filter(Node::is_element);
    for node in elements() {
        match node.tag_name().name() {
            "joint" | "freejoint" => robot.joint(frame, node, this)?,
            "geom" => robot.geom(frame, node, Some(this))?,
            "body" | "inertial" | "site" | "camera" | "light" => {}
            other => return Err(wrong(node, format!("<{other}> in a body is not known"))),
        }
    }
    elements()
        .filter(|node| node.has_tag_name("body"))
        .try_for_each(|child| body(frame, child, Some(this), depth + 1, robot))
}

/// What stands around the bodies in a file.
pub(super) struct Frame<'a> {
    pub(super) world: Node<'a, 'a>,
    /// Radians.
    pub(super) angle_unit: f64,
    /// Of the main default class.
    pub(super) joint: Option<Node<'a, 'a>>,
    pub(super) geom: Option<Node<'a, 'a>>,
}

impl<'a> Frame<'a> {
    pub(super) fn of(document: &'a Document<'a>) -> Result<Self> {
        let root = document.root_element();
        let child = |parent: Node<'_, '_>, name: &str| {
            let found = parent.children().find(|node| node.has_tag_name(name));
            found.map(|node| node.id()).and_then(|id| document.get_node(id))
        };
        let compiler = child(root, "compiler");
        let attribute = |name| compiler.and_then(|node| node.attribute(name));
        if let (Some(node), Some(other)) = (compiler, attribute("coordinate").filter(|&value| value != "local")) {
            return Err(wrong(node, format!("coordinate {other:?}, expected \"local\"")));
        }
        let angle_unit = match attribute("angle") {
            None | Some("degree") => 1_f64.to_radians(),
            Some("radian") => 1.0,
            Some(other) => {
                let reason = format!("angle {other:?}, expected \"degree\" or \"radian\"");
                return Err(wrong(compiler.unwrap_or(root), reason));
            }
        };
        let defaults = child(root, "default");
        let default_of = |name| defaults.and_then(|node| child(node, name));
        Ok(Self {
            world: child(root, "worldbody").ok_or_else(|| wrong(root, "no worldbody, expected one".into()))?,
            angle_unit,
            joint: default_of("joint"),
            geom: default_of("geom"),
        })
    }
}

/// An attribute of an element, or of the default class.
pub(super) fn of<'a>(node: Node<'a, 'a>, default: Option<Node<'a, 'a>>, name: &str) -> Option<&'a str> {
    node.attribute(name)
        .or_else(|| default.and_then(|node| node.attribute(name)))
}

pub(super) fn known_turns<'a>(node: Node<'a, 'a>, default: Option<Node<'a, 'a>>) -> Result<()> {
    match UNKNOWN_TURNS.into_iter().find(|name| of(node, default, name).is_some()) {
        Some(name) => Err(wrong(node, format!("attribute {name:?} is not known"))),
        None => Ok(()),
    }
}

pub(super) fn numbers<'a, const N: usize>(
    node: Node<'a, 'a>,
    default: Option<Node<'a, 'a>>,
    name: &str,
) -> Result<Option<[f64; N]>> {
    let Some(list) = list(node, default, name)? else {
        return Ok(None);
    };
    let count = list.len();
    let array = list
        .try_into()
        .map_err(|_| wrong(node, format!("{name} has {count} numbers, expected {N}")))?;
    Ok(Some(array))
}

pub(super) fn list<'a>(node: Node<'a, 'a>, default: Option<Node<'a, 'a>>, name: &str) -> Result<Option<Vec<f64>>> {
    let number = |text: &str| match f64::from_str(text) {
        Ok(value) if value.is_finite() => Ok(value),
        _ => Err(wrong(node, format!("{name} has {text:?}, expected finite numbers"))),
    };
    let text = of(node, default, name);
    text.map(|text| text.split_ascii_whitespace().map(number).collect())
        .transpose()
}

pub(super) fn wrong(node: Node<'_, '_>, reason: String) -> Error {
    let line = node.document().text_pos_at(node.range().start).row;
    Error::Mjcf { line, reason }
}

/// Red, green and blue of a geom.
pub(super) fn color<'a>(frame: &Frame<'a>, node: Node<'a, 'a>) -> Result<[u8; 3]> {
    let [red, green, blue, _] = numbers::<4>(node, frame.geom, "rgba")?.unwrap_or([0.5, 0.5, 0.5, 1.0]);
    Ok([red, green, blue].map(|part| (255.0 * part.clamp(0.0, 1.0)).round() as u8))
}
