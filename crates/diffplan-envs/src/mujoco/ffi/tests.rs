//! Against libmujoco, where there is one.

use super::*;

/// `None`, and says so, where there is no libmujoco.
fn library() -> Option<Arc<Library>> {
    use std::io::Write;
    match crate::mujoco::library::find() {
        Ok(library) => Some(library),
        Err(missing @ Error::MujocoMissing { .. }) => {
            writeln!(std::io::stderr(), "skipped tests of ffi.rs: {missing}").expect("stderr");
            None
        }
        Err(other) => panic!("{other}"),
    }
}

const BALL: &str = r#"<mujoco><worldbody><body><freejoint/><geom size="1"/></body></worldbody></mujoco>"#;

#[test]
fn an_error_that_mujoco_raises_is_an_error_here_and_breaks_that_simulation_alone() {
    let Some(library) = library() else { return };
    let model = Arc::new(Model::from_xml(&library, "ball", BALL).unwrap());
    assert_eq!((model.nq, model.nv, model.na, model.nu), (7, 6, 0, 0));
    let (mut one, mut other) = (Data::new(model.clone()).unwrap(), Data::new(model.clone()).unwrap());
    // A bit beyond those of a state: a broken precondition, for which MuJoCo would end the process.
    let error = one.call(|functions, model, data| {
        // SAFETY: MuJoCo looks at the bits before it writes.
        unsafe { (functions.mj_getState)(model, data, [0.0; 64].as_mut_ptr(), 1 << 30) }
    });
    let error = error.unwrap_err();
    assert!(
        matches!(&error, Error::Mujoco { reason } if !reason.is_empty()),
        "{error:?}"
    );
    assert!(matches!(one.step(1), Err(Error::Mujoco { .. })));
    other.step(100).unwrap();
    let mut state = [0.0; 13];
    other.state(&mut state).unwrap();
    assert!(state[2] < -0.1, "it falls: {state:?}");
}

#[test]
fn what_a_simulation_is_set_to_it_is_at() {
    let Some(library) = library() else { return };
    let model = Arc::new(Model::from_xml(&library, "ball", BALL).unwrap());
    let mut data = Data::new(model).unwrap();
    let mut state = [0.25; 13];
    state[3..7].copy_from_slice(&[1.0, 0.0, 0.0, 0.0]);
    data.set_state(&state).unwrap();
    data.forward().unwrap();
    let mut read = [0.0; 13];
    data.state(&mut read).unwrap();
    assert_eq!(read, state);
    data.step(3).unwrap();
    assert!(data.time().unwrap() > 0.0);
    data.reset().unwrap();
    assert_eq!(data.time().unwrap(), 0.0);
}

/// What is read where it lies is what MuJoCo prints.
#[test]
fn arrays_are_found_and_read() {
    let Some(library) = library() else { return };
    let ball = BALL.replace("<body>", r#"<geom type="plane" size="5 5 1"/><body pos="0 0 0.9999">"#);
    let model = Arc::new(Model::from_xml(&library, "ball", &ball).unwrap());
    let mut data = Data::new(model.clone()).unwrap();
    let forces = data.array("CFRC_EXT").unwrap();
    assert_eq!(forces.len(), 12);
    // Elsewhere, or where something else has set the allocator, it is printed each time.
    assert_eq!(forces.is_located(), cfg!(unix));
    assert_eq!(data.read(&forces).unwrap(), [0.0; 12], "back at the start");
    let mut before = vec![0.0; 12];
    for _ in 0..3 {
        data.step(1).unwrap();
        data.rne_post_constraint().unwrap();
        let read = data.read(&forces).unwrap();
        assert_eq!(read, data.print("CFRC_EXT").unwrap());
        assert!(read[11] > 1.0 && read != before, "the ground pushes it up: {read:?}");
        before = read;
    }
    // It lies in the same place of every simulation's own buffer.
    let mut other = Data::new(model).unwrap();
    assert_eq!(other.read(&forces).unwrap(), [0.0; 12]);
    assert_eq!(data.read(&forces).unwrap(), before);
    let error = data.array("NO_SUCH_ARRAY").unwrap_err().to_string();
    assert!(error.contains("there is no NO_SUCH_ARRAY in it"), "{error}");
}

#[test]
fn bodies_are_found_by_name_and_seen_where_they_are() {
    let Some(library) = library() else { return };
    let ball = BALL.replace("<body>", r#"<body name="ball" pos="1 2 3">"#);
    let model = Arc::new(Model::from_xml(&library, "ball", &ball).unwrap());
    assert_eq!(
        (model.bodies, model.body("ball").unwrap(), model.body("box").unwrap()),
        (2, Some(1), None)
    );
    assert_eq!(model.body("world").unwrap(), Some(0));
    let mut data = Data::new(model).unwrap();
    data.forward().unwrap();
    assert_eq!(data.place(1).unwrap(), [1.0, 2.0, 3.0]);
}

#[test]
fn a_file_that_is_not_libmujoco_is_refused() {
    let folder = std::env::temp_dir();
    let file = folder.join(format!("diffplan-not-mujoco-{}", std::process::id()));
    std::fs::write(&file, "text").unwrap();
    for path in [file.clone(), folder.join("diffplan-no-such-file")] {
        let error = Library::open(&path).unwrap_err();
        assert!(
            matches!(&error, Error::MujocoLibrary { path: named, .. } if *named == path),
            "{error:?}"
        );
    }
    std::fs::remove_file(&file).unwrap();
    if cfg!(all(target_os = "linux", target_env = "gnu")) {
        let error = Library::open(Path::new("libm.so.6")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot use libm.so.6 as libmujoco: it has no function mj_version, expected libmujoco"
        );
    }
}
