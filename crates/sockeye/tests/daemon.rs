//! Becoming a daemon, as programs do it: each case is this program again, started to be one.

use sockeye::{Context, Daemonize, LockFile, daemonize};
use sockeye_testkit::finish;
use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Tells a copy of this program which case it is.
const CASE: &str = "SOCKEYE_DAEMON_CASE";
/// The directory of the case.
const PLACE: &str = "SOCKEYE_DAEMON_PLACE";

type Case = fn(&Path) -> io::Result<()>;
type Check = fn(&Path, &Output);

/// What is done in the copy, and what is seen of it.
const CASES: [(&str, Case, Check); 10] = [
    ("a daemon that is ready lets who started it go", ready, is_ready),
    ("an error is told by who started it", error, tells_error),
    ("a failure is told by who started it, and by it alone", failure, tells_failure),
    ("a daemon that is killed is reported", killed, tells_signal),
    ("a daemon that ends too early is reported", early, tells_status),
    ("patience ends, and the daemon learns of it", slow, tells_patience),
    ("nobody becomes a daemon beside a context", beside_context, tells_context),
    ("nobody becomes a daemon after the last context", after_context, is_ready),
    ("nobody becomes a daemon beside other threads", beside_thread, tells_thread),
    ("a context from before a fork does not serve after it", old_context, tells_old_context),
];

fn main() {
    let case = std::env::var(CASE).ok();
    let place = std::env::var_os(PLACE).map(PathBuf::from);
    if let (Some(case), Some(place)) = (case, place) {
        let (_, act, _) = CASES.iter().find(|(name, ..)| *name == case).expect("a case");
        if let Err(error) = act(&place) {
            eprintln!("{error}");
            std::process::exit(3);
        }
        return;
    }
    for (name, _, check) in CASES {
        println!("case: {name}");
        let place = std::env::temp_dir().join(format!("sockeye-daemon-{}", std::process::id()));
        fs::create_dir(&place).expect("a directory");
        let output = start(name, &place);
        check(&place, &output);
        fs::remove_dir_all(&place).expect("it was ours");
    }
}

fn start(case: &str, place: &Path) -> Output {
    let program = std::env::current_exe().expect("it was started");
    let file = place.join("said");
    let stderr = fs::File::create(&file).expect("a file");
    let mut command = Command::new(program);
    let child = command.env(CASE, case).env(PLACE, place).stderr(stderr).spawn();
    let ended = finish(child.expect("it starts"));
    Output { code: ended.status.code(), said: fs::read_to_string(file).unwrap() }
}

/// What is seen of who starts a daemon.
struct Output {
    code: Option<i32>,
    /// What both have written on standard error by the end of the one.
    said: String,
}

/// A daemon in a case says that it goes on by connecting here.
fn rendezvous(place: &Path) -> PathBuf {
    place.join("rendezvous")
}

fn ready(place: &Path) -> io::Result<()> {
    let listener = UnixListener::bind(rendezvous(place))?;
    let mut daemon = daemonize(place.join("lock"))?;
    assert_eq!(fs::read_to_string(place.join("lock"))?, format!("{}\n", std::process::id()));
    eprintln!("nearly");
    daemon.ready()?;
    daemon.ready()?;
    eprintln!("seen by nobody");
    assert!(!daemon.fail("too late"));
    // Until the check has seen that this goes on.
    listener.accept().map(|_| ())
}

fn is_ready(place: &Path, output: &Output) {
    assert_eq!((output.code, &*output.said), (Some(0), "nearly\n"));
    meet(place); // it goes on, up to here
}

fn error(place: &Path) -> io::Result<()> {
    let mut daemon = daemonize(place.join("lock"))?;
    Context::builder().build()?.listen("192.0.2.1:0")?;
    daemon.ready()
}

fn tells_error(place: &Path, output: &Output) {
    let said = &output.said;
    assert_eq!(output.code, Some(1), "{said}");
    assert!(said.contains("192.0.2.1") && said.contains("status 3 before it was ready"), "{said}");
    assert!(!place.join("lock").exists());
}

fn failure(place: &Path) -> io::Result<()> {
    let daemon = daemonize(place.join("lock"))?;
    assert!(daemon.fail("no oracle\nin sight"));
    Ok(())
}

fn tells_failure(place: &Path, output: &Output) {
    let said = &output.said;
    assert_eq!(output.code, Some(1), "{said}");
    assert!(said.starts_with("daemon-") && said.ends_with(": no oracle\nin sight\n"), "{said}");
    assert!(!place.join("lock").exists());
}

fn killed(place: &Path) -> io::Result<()> {
    let _daemon = daemonize(place.join("lock"))?;
    std::process::abort()
}

fn tells_signal(place: &Path, output: &Output) {
    let said = &output.said;
    assert_eq!(output.code, Some(1), "{said}");
    assert!(!cfg!(target_os = "linux") || said.contains("by signal 6"), "{said}");
    assert!(said.contains("before it was ready"), "{said}");
    // Nobody could remove it, and it hinders nobody.
    LockFile::acquire(&place.join("lock")).expect("the kernel has let it go");
}

fn early(place: &Path) -> io::Result<()> {
    let daemon = daemonize(place.join("lock"))?;
    drop(daemon);
    std::process::exit(0)
}

fn tells_status(_: &Path, output: &Output) {
    let said = &output.said;
    assert_eq!(output.code, Some(1), "{said}");
    assert!(!cfg!(target_os = "linux") || said.contains("with status 0"), "{said}");
}

fn slow(place: &Path) -> io::Result<()> {
    let listener = UnixListener::bind(rendezvous(place))?;
    let lock = LockFile::acquire(&place.join("lock"))?;
    let daemonize = Daemonize::new(lock).patience(Duration::from_millis(1));
    let mut daemon = daemonize.start()?;
    // Once who started this has ended.
    let (mut seen, _) = listener.accept()?;
    let error = daemon.ready().expect_err("nobody waits");
    drop(daemon);
    seen.write_all(error.to_string().as_bytes())
}

fn tells_patience(place: &Path, output: &Output) {
    let said = &output.said;
    assert_eq!(output.code, Some(1), "{said}");
    assert!(said.contains("not ready within 1ms"), "{said}");
    let mut learned = String::new();
    meet(place).read_to_string(&mut learned).expect("it says that");
    assert!(learned.contains("has given up"), "{learned}");
    assert!(!place.join("lock").exists());
}

fn beside_context(place: &Path) -> io::Result<()> {
    let _context = Context::builder().build()?;
    daemonize(place.join("lock")).map(|_| ())
}

fn tells_context(place: &Path, output: &Output) {
    let said = &output.said;
    assert_eq!(output.code, Some(3), "{said}");
    assert!(said.contains("before the first one is built"), "{said}");
    assert!(!place.join("lock").exists());
}

fn after_context(place: &Path) -> io::Result<()> {
    drop(Context::builder().build_external()?);
    ready(place)
}

fn beside_thread(place: &Path) -> io::Result<()> {
    let (_hold, wait) = std::sync::mpsc::channel::<()>();
    std::thread::spawn(move || wait.recv());
    daemonize(place.join("lock")).map(|_| ())
}

fn tells_thread(place: &Path, output: &Output) {
    let said = &output.said;
    if cfg!(target_os = "linux") {
        assert_eq!(output.code, Some(3), "{said}");
        assert!(said.contains("2 threads"), "{said}");
    }
    assert!(!place.join("lock").exists());
}

fn old_context(place: &Path) -> io::Result<()> {
    let mut context = Context::builder().build()?;
    let mut external = Context::builder().build_external()?;
    context.service(Duration::ZERO)?;
    // The fork that `daemonize` would refuse.
    let mut detached = sockeye_sys::detach(Duration::MAX)?;
    let refusals = [
        context.service(Duration::ZERO).map(|_| ()),
        external.tick(std::time::Instant::now()),
        external.ready(0, sockeye::Readiness::default()),
    ];
    for refusal in refusals {
        eprintln!("{}", refusal.expect_err("it is the parent's"));
    }
    Context::builder().build()?.service(Duration::ZERO)?;
    fs::write(place.join("served"), "")?;
    detached.ready()
}

fn tells_old_context(place: &Path, output: &Output) {
    let said = &output.said;
    assert_eq!(output.code, Some(0), "{said}");
    assert_eq!(said.matches("before a fork").count(), 3, "{said}");
    assert!(place.join("served").exists());
}

/// A connection to a daemon that waits for one.
fn meet(place: &Path) -> UnixStream {
    UnixStream::connect(rendezvous(place)).expect("it has the listener")
}
