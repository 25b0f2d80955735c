//! Running compiled programs.

use rustix::net::{AddressFamily, SocketType, bind, socket, sockopt};
use sockeye_testkit::{Peer, idle};
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread::spawn;
use std::time::{Duration, Instant};

/// Far longer than anything takes that is going to happen at all.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// A program; killed if it is still there in the end.
pub(crate) struct Running {
    child: Child,
    /// What it says, standard output and standard error, line by line.
    lines: Receiver<String>,
    /// What has been read of that.
    pub(crate) said: Vec<String>,
}

impl Running {
    pub(crate) fn of(command: &mut Command) -> Self {
        if command.get_envs().next().is_none() {
            command.env_remove("http_proxy");
        }
        command.stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let (sender, lines) = channel();
        let (out, err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let streams: [Box<dyn Read + Send>; 2] = [Box::new(out), Box::new(err)];
        for stream in streams {
            let sender = sender.clone();
            spawn(move || {
                let mut stream = BufReader::new(stream);
                let mut line = Vec::new();
                while stream.read_until(b'\n', &mut line).is_ok_and(|n| n > 0) {
                    let text = String::from_utf8_lossy(&line).trim_end().to_owned();
                    if sender.send(text).is_err() {
                        return;
                    }
                    line.clear();
                }
            });
        }
        Self { child, lines, said: Vec::new() }
    }

    /// Waits for a line that contains `text`; that line.
    pub(crate) fn expect(&mut self, text: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) => {
                    self.said.push(line.clone());
                    if line.contains(text) {
                        return line;
                    }
                }
                Err(_) => panic!("{text:?} expected, it said:\n{}", self.said.join("\n")),
            }
        }
    }

    /// Waits for its end.
    pub(crate) fn end(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(Instant::now() < deadline, "it does not end; it said:\n{}", self.drained());
            std::thread::sleep(Duration::from_millis(5));
        };
        while let Ok(line) = self.lines.recv() {
            self.said.push(line);
        }
        status
    }

    /// Waits for its end, which must be this status. All it has said.
    pub(crate) fn expect_status(&mut self, status: i32) -> String {
        let found = self.end();
        let said = self.said.join("\n");
        assert_eq!(found.code(), Some(status), "{found}; it said:\n{said}");
        said
    }

    /// The number of its process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", signal, &pid]).status().unwrap().success());
    }

    fn drained(&mut self) -> String {
        self.said.extend(self.lines.try_iter());
        self.said.join("\n")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill(); // it may have ended by itself
        let _ = self.child.wait();
    }
}

/// A server that listens at a port that was free just now.
pub(crate) struct Server {
    pub(crate) program: Running,
    pub(crate) port: u16,
}

impl Server {
    /// Starts a program; of its arguments `PORT` stands for the port.
    pub(crate) fn start(program: &Path, arguments: &[&str]) -> Self {
        let port = free_port();
        let arguments: Vec<String> =
            arguments.iter().map(|word| word.replace("PORT", &port.to_string())).collect();
        let mut program = Running::of(Command::new(program).args(&arguments));
        program.expect("Listening on port");
        Self { program, port }
    }

    pub(crate) fn peer(&self) -> Peer {
        Peer::connect(SocketAddr::from(([127, 0, 0, 1], self.port)), idle())
    }

    /// Asks it to end, which it must do in good order.
    pub(crate) fn stop(mut self) -> String {
        self.program.signal("INT");
        self.program.expect_status(0)
    }
}

/// A port that nobody listens at. Port numbers below those that the system hands out by itself.
pub(crate) fn free_port() -> u16 {
    use std::sync::atomic::{AtomicU16, Ordering};
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = 10_000 + (std::process::id() % 1000) as u16 * 20;
    loop {
        let port = first + NEXT.fetch_add(1, Ordering::Relaxed);
        // Bound and not listened at: a program that is started meanwhile may hold it for a moment.
        let socket = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
        sockopt::set_socket_reuseaddr(&socket, true).unwrap();
        if bind(&socket, &SocketAddr::from(([0, 0, 0, 0], port))).is_ok() {
            return port;
        }
    }
}
