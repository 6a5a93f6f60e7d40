//! Reads the tree of bodies from MJCF, as far as robots in space need it. What would move limbs and is not known is an error.

use roxmltree::{Document, Node};

use super::{Body, Joint, Limb, SpatialRobot, Turn, UPRIGHT, Vector, add, scaled, turn_of, turned};
use crate::Result;
use crate::render::planar::mjcf::{Frame, known_turns, list, numbers, of, wrong};

/// Bodies within bodies: no robot has that many.
const DEEPEST: usize = 64;

pub(super) fn parse(xml: &str) -> Result<SpatialRobot> {
    let document = Document::parse(xml).map_err(Frame::not_xml)?;
    let frame = Frame::of(&document)?;
    let world = frame.world;
    let mut reader = Reader {
        frame,
        robot: SpatialRobot {
            bodies: Vec::new(),
            scenery: Vec::new(),
            positions: 0,
            velocities: 0,
            ground: 0.0,
        },
    };
    reader.world(world)?;
    Ok(reader.robot)
}

struct Reader<'a> {
    frame: Frame<'a>,
    robot: SpatialRobot,
}

impl<'a> Reader<'a> {
    fn world(&mut self, world: Node<'a, 'a>) -> Result<()> {
        for node in world.children().filter(Node::is_element) {
            match node.tag_name().name() {
                "body" => self.body(node, None, 0)?,
                "geom" if of(node, self.frame.geom, "type") == Some("plane") => {
                    self.robot.ground = place(node, None)?[2];
                }
                "geom" => {
                    let limb = self.read_limb(node)?;
                    self.robot.scenery.push(limb);
                }
                "light" | "camera" | "site" => {}
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
        let mut body = Body {
            name: node.attribute("name").map(str::to_owned),
            parent,
            pos: place(node, None)?,
            turn: turn(node, None)?,
            joints: Vec::new(),
            limbs: Vec::new(),
        };
        // Joints of a body come before those of its children, wherever they stand.
        let elements = || node.children().filter(Node::is_element);
        for node in elements() {
            match node.tag_name().name() {
                "joint" | "freejoint" => {
                    let joint = self.read_joint(node)?;
                    let (positions, velocities) = if joint == Joint::Free { (7, 6) } else { (1, 1) };
                    self.robot.positions += positions;
                    self.robot.velocities += velocities;
                    body.joints.push(joint);
                }
                "geom" => body.limbs.push(self.read_limb(node)?),
                "body" | "inertial" | "site" | "camera" | "light" => {}
                other => return Err(wrong(node, format!("<{other}> in a body is not known"))),
            }
        }
        let this = self.robot.bodies.len();
        self.robot.bodies.push(body);
        elements()
            .filter(|node| node.has_tag_name("body"))
            .try_for_each(|child| self.body(child, Some(this), depth + 1))
    }

    fn read_joint(&self, node: Node<'a, 'a>) -> Result<Joint> {
        let default = self.frame.joint;
        known_turns(node, default)?;
        if node.has_tag_name("freejoint") || of(node, default, "type") == Some("free") {
            return Ok(Joint::Free);
        }
        let axis = numbers::<3>(node, default, "axis")?.unwrap_or([0.0, 0.0, 1.0]);
        let length = axis.iter().map(|a| a * a).sum::<f64>().sqrt();
        if length < 1e-9 {
            return Err(wrong(node, "an axis without length".into()));
        }
        let axis = axis.map(|a| a / length);
        let reference = numbers::<1>(node, default, "ref")?.map_or(0.0, |[value]| value);
        match of(node, default, "type") {
            Some("slide") => Ok(Joint::Slide { axis, reference }),
            None | Some("hinge") => Ok(Joint::Hinge {
                axis,
                anchor: place(node, default)?,
                reference: reference * self.frame.angle_unit,
            }),
            Some(other) => Err(wrong(
                node,
                format!("joint {other:?}, expected \"free\", \"slide\" or \"hinge\""),
            )),
        }
    }

    fn read_limb(&self, node: Node<'a, 'a>) -> Result<Limb> {
        let default = self.frame.geom;
        let size: Vec<f64> = list(node, default, "size")?.unwrap_or_default();
        let radius = match size.first() {
            Some(&radius) if radius > 0.0 => radius,
            _ => return Err(wrong(node, "no size, expected a radius".into())),
        };
        let pos = place(node, default)?;
        let (from, to) = match (of(node, default, "type"), numbers::<6>(node, default, "fromto")?) {
            (Some("capsule" | "cylinder"), Some([x, y, z, to_x, to_y, to_z])) => ([x, y, z], [to_x, to_y, to_z]),
            (Some("capsule" | "cylinder"), None) => match size.get(1) {
                Some(&half) => {
                    let end = turned(&turn(node, default)?, [0.0, 0.0, half]);
                    (add(pos, scaled(end, -1.0)), add(pos, end))
                }
                None => return Err(wrong(node, "one size, expected a radius and half a length".into())),
            },
            (None | Some("sphere"), _) => (pos, pos),
            (Some(other), _) => {
                return Err(wrong(
                    node,
                    format!("geom {other:?}, expected \"capsule\", \"cylinder\" or \"sphere\""),
                ));
            }
        };
        let rgba = numbers::<4>(node, default, "rgba")?.unwrap_or([0.5, 0.5, 0.5, 1.0]);
        let byte = |i: usize| (255.0 * rgba[i].clamp(0.0, 1.0)).round() as u8;
        Ok(Limb {
            from,
            to,
            radius,
            color: [byte(0), byte(1), byte(2)],
        })
    }
}

fn place<'a>(node: Node<'a, 'a>, default: Option<Node<'a, 'a>>) -> Result<Vector> {
    Ok(numbers::<3>(node, default, "pos")?.unwrap_or_default())
}

fn turn<'a>(node: Node<'a, 'a>, default: Option<Node<'a, 'a>>) -> Result<Turn> {
    known_turns(node, default)?;
    if of(node, default, "axisangle").is_some() {
        return Err(wrong(node, "attribute \"axisangle\" is not known".into()));
    }
    Ok(numbers::<4>(node, default, "quat")?.map_or(UPRIGHT, turn_of))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Error;

    #[test]
    fn what_is_not_known_is_said_with_its_line() {
        for (body, words) in [
            (r#"<joint type="ball"/>"#, "\"ball\""),
            (r#"<joint axis="0 0 0"/>"#, "without length"),
            (r#"<geom type="box" size="1 1 1"/>"#, "\"box\""),
            (r#"<geom type="capsule" size="0.1"/>"#, "half a length"),
            (r#"<geom type="capsule"/>"#, "no size"),
            (r#"<geom type="capsule" size=".1 1" euler="0 1 0"/>"#, "\"euler\""),
            (
                r#"<geom type="capsule" size=".1 1" axisangle="0 1 0 3"/>"#,
                "\"axisangle\"",
            ),
            (r#"<composite/>"#, "<composite>"),
        ] {
            let xml = format!("<mujoco>\n<worldbody>\n<body>\n{body}\n</body>\n</worldbody></mujoco>");
            match parse(&xml) {
                Err(Error::Mjcf { line: 4, reason }) => assert!(reason.contains(words), "{reason}"),
                other => panic!("{body}: {other:?}"),
            }
        }
        for (xml, words) in [
            ("<mujoco>", "well-formed"),
            ("<mujoco/>", "no worldbody"),
            ("<mujoco><worldbody/></mujoco>", "no body"),
        ] {
            let error = parse(xml).unwrap_err();
            assert!(error.to_string().contains(words), "{error}");
        }
    }
}
