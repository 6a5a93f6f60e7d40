//! Robots in space from MJCF.

use roxmltree::Node;

use super::{Body, Joint, Limb, SpatialRobot, Turn, UPRIGHT, Vector, add, scaled, turn_of, turned};
use crate::Result;
use crate::render::mjcf::{Frame, Robot, color, known_turns, list, numbers, of, walk, wrong};

pub(super) fn parse(xml: &str) -> Result<SpatialRobot> {
    let mut robot = SpatialRobot {
        bodies: Vec::new(),
        scenery: Vec::new(),
        positions: 0,
        velocities: 0,
        ground: 0.0,
    };
    walk(xml, &mut robot)?;
    Ok(robot)
}

impl Robot for SpatialRobot {
    fn body<'a>(&mut self, _: &Frame<'a>, node: Node<'a, 'a>, parent: Option<usize>) -> Result<usize> {
        self.bodies.push(Body {
            name: node.attribute("name").map(str::to_owned),
            parent,
            pos: place(node, None)?,
            turn: turn(node, None)?,
            joints: Vec::new(),
            limbs: Vec::new(),
        });
        Ok(self.bodies.len() - 1)
    }

    fn joint<'a>(&mut self, frame: &Frame<'a>, node: Node<'a, 'a>, body: usize) -> Result<()> {
        let joint = read_joint(frame, node)?;
        let (positions, velocities) = if joint == Joint::Free { (7, 6) } else { (1, 1) };
        self.positions += positions;
        self.velocities += velocities;
        self.bodies[body].joints.push(joint);
        Ok(())
    }

    fn geom<'a>(&mut self, frame: &Frame<'a>, node: Node<'a, 'a>, body: Option<usize>) -> Result<()> {
        let limb = read_limb(frame, node)?;
        match body {
            Some(body) => self.bodies[body].limbs.push(limb),
            None => self.scenery.push(limb),
        }
        Ok(())
    }

    fn ground<'a>(&mut self, node: Node<'a, 'a>) -> Result<()> {
        self.ground = place(node, None)?[2];
        Ok(())
    }
}

fn read_joint<'a>(frame: &Frame<'a>, node: Node<'a, 'a>) -> Result<Joint> {
    let default = frame.joint;
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
            reference: reference * frame.angle_unit,
        }),
        Some(other) => Err(wrong(
            node,
            format!("joint {other:?}, expected \"free\", \"slide\" or \"hinge\""),
        )),
    }
}

fn read_limb<'a>(frame: &Frame<'a>, node: Node<'a, 'a>) -> Result<Limb> {
    let default = frame.geom;
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
    Ok(Limb {
        from,
        to,
        radius,
        color: color(frame, node)?,
    })
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
