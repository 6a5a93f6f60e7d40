//! Reads the tree of bodies from MJCF, as far as planar robots need it. What would move limbs and is not known is an error.

use std::str::FromStr;

use roxmltree::{Document, Node};

use super::{Body, Joint, Limb, Motion, PlanarRobot, Vector, add, turned};
use crate::{Error, Result};

/// Bodies within bodies: no robot has that many.
const DEEPEST: usize = 64;
/// Off an axis by no more than this is on it.
const TOLERANCE: f64 = 1e-9;
/// Attributes that turn a body or a geom, and are not known.
const UNKNOWN_TURNS: [&str; 4] = ["euler", "xyaxes", "zaxis", "class"];

pub(super) fn parse(xml: &str) -> Result<PlanarRobot> {
    let document = Document::parse(xml).map_err(Frame::not_xml)?;
    let frame = Frame::of(&document)?;
    let world = frame.world;
    let mut reader = Reader {
        frame,
        robot: PlanarRobot {
            bodies: Vec::new(),
            joints: 0,
            ground: 0.0,
        },
    };
    reader.world(world)?;
    Ok(reader.robot)
}

/// What stands around the bodies in a file.
pub(in crate::render) struct Frame<'a> {
    pub(in crate::render) world: Node<'a, 'a>,
    /// Radians.
    pub(in crate::render) angle_unit: f64,
    /// Of the main default class.
    pub(in crate::render) joint: Option<Node<'a, 'a>>,
    pub(in crate::render) geom: Option<Node<'a, 'a>>,
}

impl<'a> Frame<'a> {
    pub(in crate::render) fn of(document: &'a Document<'a>) -> Result<Self> {
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

    pub(in crate::render) fn not_xml(error: roxmltree::Error) -> Error {
        Error::Mjcf {
            line: error.pos().row,
            reason: format!("no well-formed XML: {error}"),
        }
    }
}

struct Reader<'a> {
    frame: Frame<'a>,
    robot: PlanarRobot,
}

impl<'a> Reader<'a> {
    fn world(&mut self, world: Node<'a, 'a>) -> Result<()> {
        for node in world.children().filter(Node::is_element) {
            match node.tag_name().name() {
                "body" => self.body(node, None, 0)?,
                "geom" if of(node, self.frame.geom, "type") == Some("plane") => {
                    self.robot.ground = position(node, None, "pos")?[1];
                }
                // Scenery.
                "geom" | "light" | "camera" | "site" => {}
                other => return Err(wrong(node, format!("<{other}> in the world is not known"))),
            }
        }
        if self.robot.bodies.is_empty() {
            return Err(wrong(world, "no body, expected a robot".into()));
        }
        Ok(())
    }

    fn body(&mut self, node: Node<'a, 'a>, parent: Option<usize>, depth: usize) -> Result<()> {
        if depth > DEEPEST {
            return Err(wrong(node, format!("bodies are more than {DEEPEST} deep")));
        }
        if node.has_attribute("childclass") {
            return Err(wrong(node, "default classes beside the main one are not known".into()));
        }
        let pos = position(node, None, "pos")?;
        let angle = self.orientation(node, None)?;
        let bodies = &mut self.robot.bodies;
        let behind = bodies.iter().any(|other| {
            let apart = [other.pos[0] - pos[0], other.pos[1] - pos[1]];
            parent.is_some() && other.parent == parent && apart.iter().all(|d| d.abs() < TOLERANCE)
        });
        let far = behind || parent.is_some_and(|parent| bodies[parent].far);
        let this = bodies.len();
        bodies.push(Body {
            parent,
            pos,
            angle,
            joints: Vec::new(),
            limbs: Vec::new(),
            far,
        });
        // Joints of a body come before those of its children, wherever they stand.
        let elements = || node.children().filter(Node::is_element);
        for node in elements() {
            match node.tag_name().name() {
                "joint" => {
                    let joint = self.read_joint(node)?;
                    self.robot.bodies[this].joints.push(joint);
                    self.robot.joints += 1;
                }
                "geom" => {
                    let limb = self.read_limb(node)?;
                    self.robot.bodies[this].limbs.push(limb);
                }
                "body" | "inertial" | "site" | "camera" | "light" => {}
                other => return Err(wrong(node, format!("<{other}> in a body is not known"))),
            }
        }
        elements()
            .filter(|node| node.has_tag_name("body"))
            .try_for_each(|child| self.body(child, Some(this), depth + 1))
    }

    fn read_joint(&self, node: Node<'a, 'a>) -> Result<Joint> {
        let default = self.frame.joint;
        known_turns(node, default)?;
        let axis = numbers::<3>(node, default, "axis")?.unwrap_or([0.0, 0.0, 1.0]);
        let length = axis.iter().map(|a| a * a).sum::<f64>().sqrt();
        if length < TOLERANCE {
            return Err(wrong(node, "an axis without length".into()));
        }
        let [x, y, z] = axis.map(|a| a / length);
        let reference = numbers::<1>(node, default, "ref")?.map_or(0.0, |[value]| value);
        let (motion, reference) = match of(node, default, "type") {
            Some("slide") if y.abs() < TOLERANCE => (Motion::Slide([x, z]), reference),
            None | Some("hinge") if x.hypot(z) < TOLERANCE => (Motion::Hinge(y), reference * self.frame.angle_unit),
            None | Some("slide" | "hinge") => {
                let reason = format!("axis {axis:?}, expected a slide within x and z or a hinge about y");
                return Err(wrong(node, reason));
            }
            Some(other) => return Err(wrong(node, format!("joint {other:?}, expected \"slide\" or \"hinge\""))),
        };
        Ok(Joint {
            motion,
            anchor: position(node, default, "pos")?,
            reference,
        })
    }

    fn read_limb(&self, node: Node<'a, 'a>) -> Result<Limb> {
        let default = self.frame.geom;
        let size: Vec<f64> = list(node, default, "size")?.unwrap_or_default();
        let radius = match size.first() {
            Some(&radius) if radius > 0.0 => radius,
            _ => return Err(wrong(node, "no size, expected a radius".into())),
        };
        let pos = position(node, default, "pos")?;
        let along = match (of(node, default, "type"), numbers::<6>(node, default, "fromto")?) {
            (Some("capsule"), Some([x, _, z, to_x, _, to_z])) => {
                return self.limb(node, [x, z], [to_x, to_z], radius);
            }
            (Some("capsule"), None) => match size.get(1) {
                Some(&half) => half,
                None => return Err(wrong(node, "one size, expected a radius and half a length".into())),
            },
            (None | Some("sphere"), _) => 0.0,
            (Some(other), _) => {
                return Err(wrong(
                    node,
                    format!("geom {other:?}, expected \"capsule\" or \"sphere\""),
                ));
            }
        };
        let end = turned([0.0, along], self.orientation(node, default)?);
        self.limb(node, add(pos, end.map(|e| -e)), add(pos, end), radius)
    }

    fn limb(&self, node: Node<'a, 'a>, from: Vector, to: Vector, radius: f64) -> Result<Limb> {
        let rgba = numbers::<4>(node, self.frame.geom, "rgba")?.unwrap_or([0.5, 0.5, 0.5, 1.0]);
        let byte = |i: usize| (255.0 * rgba[i].clamp(0.0, 1.0)).round() as u8;
        Ok(Limb {
            name: node.attribute("name").map(str::to_owned),
            from,
            to,
            radius,
            color: [byte(0), byte(1), byte(2)],
        })
    }

    /// The angle about y.
    fn orientation(&self, node: Node<'a, 'a>, default: Option<Node<'a, 'a>>) -> Result<f64> {
        known_turns(node, default)?;
        let about_y = |x: f64, z: f64, length: f64| {
            if length > TOLERANCE && x.hypot(z) <= TOLERANCE * length {
                Ok(())
            } else {
                Err(wrong(node, "turned out of the plane, expected a turn about y".into()))
            }
        };
        if let Some([w, x, y, z]) = numbers(node, default, "quat")? {
            about_y(x, z, w.hypot(y))?;
            return Ok(2.0 * y.atan2(w));
        }
        if let Some([x, y, z, angle]) = numbers(node, default, "axisangle")? {
            about_y(x, z, y.abs())?;
            return Ok(y.signum() * angle * self.frame.angle_unit);
        }
        Ok(0.0)
    }
}

/// An attribute of an element, or of the default class.
pub(in crate::render) fn of<'a>(node: Node<'a, 'a>, default: Option<Node<'a, 'a>>, name: &str) -> Option<&'a str> {
    node.attribute(name)
        .or_else(|| default.and_then(|node| node.attribute(name)))
}

pub(in crate::render) fn known_turns<'a>(node: Node<'a, 'a>, default: Option<Node<'a, 'a>>) -> Result<()> {
    match UNKNOWN_TURNS.into_iter().find(|name| of(node, default, name).is_some()) {
        Some(name) => Err(wrong(node, format!("attribute {name:?} is not known"))),
        None => Ok(()),
    }
}

/// x and z of a place; the origin where none is given.
fn position<'a>(node: Node<'a, 'a>, default: Option<Node<'a, 'a>>, name: &str) -> Result<Vector> {
    Ok(numbers::<3>(node, default, name)?.map_or([0.0; 2], |[x, _, z]| [x, z]))
}

pub(in crate::render) fn numbers<'a, const N: usize>(
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

pub(in crate::render) fn list<'a>(
    node: Node<'a, 'a>,
    default: Option<Node<'a, 'a>>,
    name: &str,
) -> Result<Option<Vec<f64>>> {
    let number = |text: &str| match f64::from_str(text) {
        Ok(value) if value.is_finite() => Ok(value),
        _ => Err(wrong(node, format!("{name} has {text:?}, expected finite numbers"))),
    };
    let text = of(node, default, name);
    text.map(|text| text.split_ascii_whitespace().map(number).collect())
        .transpose()
}

pub(in crate::render) fn wrong(node: Node<'_, '_>, reason: String) -> Error {
    let line = node.document().text_pos_at(node.range().start).row;
    Error::Mjcf { line, reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn robot(body: &str) -> Result<PlanarRobot> {
        parse(&format!(
            "<mujoco>\n<worldbody>\n<body>\n{body}\n</body>\n</worldbody></mujoco>"
        ))
    }

    #[test]
    fn angles_are_degrees_unless_radians_are_asked_for() {
        let turned = |compiler: &str| {
            let geom = r#"<geom type="capsule" size=".1 1" axisangle="0 -2 0 90"/>"#;
            let xml = format!("<mujoco>{compiler}<worldbody><body>{geom}</body></worldbody></mujoco>");
            parse(&xml).unwrap().bodies[0].limbs[0].to
        };
        for (compiler, angle) in [
            ("", -90_f64.to_radians()),
            (r#"<compiler angle="degree"/>"#, -90_f64.to_radians()),
            (r#"<compiler angle="radian"/>"#, -90.0),
        ] {
            let [x, z] = turned(compiler);
            assert!(
                (x - angle.sin()).abs() < 1e-12 && (z - angle.cos()).abs() < 1e-12,
                "{compiler}: {x} {z}"
            );
        }
    }

    #[test]
    fn the_default_class_gives_what_is_left_out() {
        let xml = r#"<mujoco><default><geom type="capsule" size=".2 .5" rgba="1 0 .2 1"/><joint axis="0 1 0"/></default>
            <worldbody><geom type="plane" pos="0 0 .5" size="1 1 1"/><body><joint/><joint ref="90"/>
            <geom/><geom type="sphere" size=".3" rgba="0 1 0 1"/></body></worldbody></mujoco>"#;
        let robot = parse(xml).unwrap();
        assert_eq!((robot.joints, robot.ground), (2, 0.5));
        let body = &robot.bodies[0];
        assert!((body.joints[1].reference - 90_f64.to_radians()).abs() < 1e-12);
        let [capsule, ball] = &body.limbs[..] else {
            panic!("two limbs")
        };
        assert_eq!(
            (capsule.radius, capsule.to, capsule.color),
            (0.2, [0.0, 0.5], [255, 0, 51])
        );
        assert_eq!(
            (ball.radius, ball.from, ball.to, ball.color),
            (0.3, [0.0; 2], [0.0; 2], [0, 255, 0])
        );
    }

    #[test]
    fn what_is_not_known_is_said_with_its_line() {
        for (body, words) in [
            (r#"<joint type="ball"/>"#, "\"ball\""),
            (r#"<joint/>"#, "hinge about y"),
            (r#"<joint type="slide" axis="0 1 0"/>"#, "slide within x and z"),
            (r#"<joint axis="0 1"/>"#, "axis has 2 numbers, expected 3"),
            (r#"<joint axis="0 0 0"/>"#, "without length"),
            (r#"<freejoint/>"#, "<freejoint>"),
            (r#"<geom type="box" size="1 1 1"/>"#, "\"box\""),
            (r#"<geom type="capsule" size="0.1"/>"#, "half a length"),
            (r#"<geom type="capsule"/>"#, "no size"),
            (r#"<geom type="capsule" size="nan 1"/>"#, "\"nan\""),
            (r#"<geom type="capsule" size=".1 1" euler="0 1 0"/>"#, "\"euler\""),
            (
                r#"<geom type="capsule" size=".1 1" quat="1 1 0 0"/>"#,
                "out of the plane",
            ),
            (r#"<geom type="capsule" size=".1 1" class="leg"/>"#, "\"class\""),
        ] {
            match robot(body) {
                Err(Error::Mjcf { line: 4, reason }) => assert!(reason.contains(words), "{reason}"),
                other => panic!("{body}: {other:?}"),
            }
        }
        for (xml, words) in [
            ("<mujoco>", "well-formed"),
            ("<mujoco/>", "no worldbody"),
            ("<mujoco><worldbody/></mujoco>", "no body"),
            (
                "<mujoco><compiler angle='turn'/><worldbody><body/></worldbody></mujoco>",
                "\"turn\"",
            ),
            ("<mujoco><compiler coordinate='global'/></mujoco>", "\"global\""),
            (
                "<mujoco><worldbody><include file='x'/></worldbody></mujoco>",
                "<include>",
            ),
        ] {
            let error = parse(xml).unwrap_err().to_string();
            assert!(error.contains(words), "{xml}: {error}");
        }
        let deep = format!("{}{}", "<body>".repeat(100), "</body>".repeat(100));
        assert!(robot(&deep).unwrap_err().to_string().contains("deep"));
    }
}
