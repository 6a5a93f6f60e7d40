//! A command that runs beside the test, and not beyond it.

use std::io::Read;
use std::process::{Child, Command, Stdio};

/// Killed when the test lets go of it, however it ends.
pub(crate) struct Running(Child);

impl Running {
    pub(crate) fn start(command: &mut Command) -> Self {
        Self(command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap())
    }

    /// With the first line that it prints.
    pub(crate) fn until_it_says(command: &mut Command) -> (Self, String) {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        // Read by the byte: nobody else reads what follows.
        let mut stdout = child.stdout.take().unwrap();
        let mut byte = [0];
        while stdout.read(&mut byte).unwrap() == 1 && byte[0] != b'\n' {
            line.push(byte[0].into());
        }
        child.stdout = Some(stdout);
        (Self(child), line)
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
