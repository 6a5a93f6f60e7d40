//! Planar robots from MJCF.

use roxmltree::Node;

use super::{Body, Joint, Limb, Motion, PlanarRobot, Vector, add, turned};
use crate::Result;
use crate::render::mjcf::{Frame, Robot, color, known_turns, list, numbers, of, walk, wrong};

/// Off an axis by no more than this is on it.
const TOLERANCE: f64 = 1e-9;

pub(super) fn parse(xml: &str) -> Result<PlanarRobot> {
    let mut robot = PlanarRobot {
        bodies: Vec::new(),
        joints: 0,
        ground: 0.0,
    };
    walk(xml, &mut robot)?;
    Ok(robot)
}

impl Robot for PlanarRobot {
    fn body<'a>(&mut self, frame: &Frame<'a>, node: Node<'a, 'a>, parent: Option<usize>) -> Result<usize> {
        let pos = position(node, None, "pos")?;
        let angle = orientation(frame, node, None)?;
        let behind = self.bodies.iter().any(|other| {
            let apart = [other.pos[0] - pos[0], other.pos[1] - pos[1]];
            parent.is_some() && other.parent == parent && apart.iter().all(|d| d.abs() < TOLERANCE)
        });
        let far = behind || parent.is_some_and(|parent| self.bodies[parent].far);
        self.bodies.push(Body {
            parent,
            pos,
            angle,
            joints: Vec::new(),
            limbs: Vec::new(),
            far,
        });
        Ok(self.bodies.len() - 1)
    }

    fn joint<'a>(&mut self, frame: &Frame<'a>, node: Node<'a, 'a>, body: usize) -> Result<()> {
        self.bodies[body].joints.push(read_joint(frame, node)?);
        self.joints += 1;
        Ok(())
    }

    fn geom<'a>(&mut self, frame: &Frame<'a>, node: Node<'a, 'a>, body: Option<usize>) -> Result<()> {
        // What stands in the world is scenery.
        if let Some(body) = body {
            self.bodies[body].limbs.push(read_limb(frame, node)?);
        }
        Ok(())
    }

    fn ground<'a>(&mut self, node: Node<'a, 'a>) -> Result<()> {
        self.ground = position(node, None, "pos")?[1];
        Ok(())
    }
}

fn read_joint<'a>(frame: &Frame<'a>, node: Node<'a, 'a>) -> Result<Joint> {
    if node.has_tag_name("freejoint") {
        return Err(wrong(node, "<freejoint> in a body is not known".into()));
    }
    let default = frame.joint;
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
        None | Some("hinge") if x.hypot(z) < TOLERANCE => (Motion::Hinge(y), reference * frame.angle_unit),
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

fn read_limb<'a>(frame: &Frame<'a>, node: Node<'a, 'a>) -> Result<Limb> {
    let default = frame.geom;
    let size: Vec<f64> = list(node, default, "size")?.unwrap_or_default();
    let radius = match size.first() {
        Some(&radius) if radius > 0.0 => radius,
        _ => return Err(wrong(node, "no size, expected a radius".into())),
    };
    let pos = position(node, default, "pos")?;
    let along = match (of(node, default, "type"), numbers::<6>(node, default, "fromto")?) {
        (Some("capsule"), Some([x, _, z, to_x, _, to_z])) => {
            return limb(frame, node, [x, z], [to_x, to_z], radius);
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
    let end = turned([0.0, along], orientation(frame, node, default)?);
    limb(frame, node, add(pos, end.map(|e| -e)), add(pos, end), radius)
}

fn limb<'a>(frame: &Frame<'a>, node: Node<'a, 'a>, from: Vector, to: Vector, radius: f64) -> Result<Limb> {
    Ok(Limb {
        name: node.attribute("name").map(str::to_owned),
        from,
        to,
        radius,
        color: color(frame, node)?,
    })
}

/// The angle about y.
fn orientation<'a>(frame: &Frame<'a>, node: Node<'a, 'a>, default: Option<Node<'a, 'a>>) -> Result<f64> {
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
        return Ok(y.signum() * angle * frame.angle_unit);
    }
    Ok(0.0)
}

/// x and z of a place; the origin where none is given.
fn position<'a>(node: Node<'a, 'a>, default: Option<Node<'a, 'a>>, name: &str) -> Result<Vector> {
    Ok(numbers::<3>(node, default, name)?.map_or([0.0; 2], |[x, _, z]| [x, z]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Error;

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
