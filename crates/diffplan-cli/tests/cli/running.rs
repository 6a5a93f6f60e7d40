//! A command that runs beside the test, and not beyond it.

use std::process::{Child, Command, Stdio};

/// Killed when the test lets go of it, however it ends.
pub(crate) struct Running(Child);

impl Running {
    pub(crate) fn start(command: &mut Command) -> Self {
        Self(command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap())
    }

    /// Kills it, as a crash would.
    pub(crate) fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }

    /// Sends it `INT` or `TERM`, and returns its exit status and what it says.
    pub(crate) fn signal(mut self, signal: &str) -> (Option<i32>, String) {
        let sent = Command::new("kill")
            .args([&format!("-{signal}"), &self.0.id().to_string()])
            .status();
        assert!(sent.unwrap().success());
        let text = std::io::read_to_string(self.0.stderr.take().unwrap()).unwrap();
        (self.0.wait().unwrap().code(), text)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // One that is over cannot be killed, which is as well.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
