//! A context that is destroyed while a name is looked up for it, in a network of the test's own
//! whose name server is the program itself. Under valgrind.

use crate::build::{compiled, has, library};
use crate::run::Running;
use std::fs;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};

/// Where the system asks for names, and for how long: longer than the test may take.
const RESOLVER: &str = "nameserver 127.0.0.1\noptions timeout:30 attempts:5\n";
/// What it asks.
const SOURCES: &str = "hosts: files dns\n";

/// Makes the place; `$0` has the files.
const PLACE: &str = "
ip link set lo up
for file in resolv.conf nsswitch.conf; do
    touch /etc/$file
    mount --bind $0/$file /etc/$file
done
exec \"$@\"";

/// Whether such a place can be made here. In CI it must.
fn has_place(dir: &str) -> bool {
    let found = place(dir, &["true"]).output();
    let why = match found {
        Ok(Output { status, .. }) if status.success() => return true,
        Ok(output) => String::from_utf8_lossy(&output.stderr).into_owned(),
        Err(error) => error.to_string(),
    };
    let why = format!("no place with a name server of its own can be made; it takes root: {why}");
    assert!(std::env::var_os("CI").is_none(), "{why}");
    println!("skipped: {why}");
    false
}

fn place(dir: &str, program: &[&str]) -> Command {
    let mut command = Command::new("unshare");
    command.args(["--net", "--mount", "sh", "-ec", PLACE, dir]).args(program);
    command
}

/// Runs a test in such a place.
fn in_place(test: impl Fn(&str)) {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let name = format!("sockeye-resolving-{}-{number}", std::process::id());
    let dir = std::env::temp_dir().join(name);
    fs::create_dir_all(&dir).unwrap();
    fs::write(dir.join("resolv.conf"), RESOLVER).unwrap();
    fs::write(dir.join("nsswitch.conf"), SOURCES).unwrap();
    let files = dir.to_str().unwrap();
    if has_place(files) {
        test(files);
    }
    fs::remove_dir_all(dir).unwrap();
}

/// The program at a level. Of itself it must not hold the library, which it loads.
fn at(level: u32) -> String {
    let level = format!("-DSOCKEYE_LWS_LEVEL={level}");
    let program =
        compiled("programs/resolving.c", "gcc", &["-std=gnu99", "-Wl,--as-needed", &level]);
    program.to_str().unwrap().to_owned()
}

#[test]
fn a_look_up_outlives_its_context_and_does_no_harm_under_valgrind() {
    if !has("valgrind") {
        return;
    }
    in_place(|files| {
        let (program, library) = (at(123), library());
        // Of a thread that still runs valgrind takes the memory for possibly lost.
        for (mode, leaks) in [
            ("stay", "definite,indirect,possible"),
            ("unload", "definite,indirect,possible"),
            ("leave", "definite,indirect"),
        ] {
            let leaks = format!("--errors-for-leak-kinds={leaks}");
            let valgrind = ["valgrind", "--quiet", "--error-exitcode=99", "--leak-check=full"];
            let what = [&program, library.to_str().unwrap(), mode];
            let what = [&valgrind[..], &[&leaks], &what].concat();
            let said = Running::of(&mut place(files, &what)).expect_status(0);
            assert!(said.contains("destroyed"), "{mode}: {said}");
            assert_eq!(said.contains("over"), mode != "leave", "{mode}: {said}");
        }
    });
}

/// It takes ten seconds, and would take minutes if the system's patience were waited for.
#[test]
fn a_connect_call_does_not_wait_forever_for_a_name() {
    in_place(|files| {
        let library = library();
        let what = [&at(120), library.to_str().unwrap(), "stay"];
        let said = Running::of(&mut place(files, &what)).expect_status(0);
        let why = "Unable to get host name from far.example: no answer within 10 s";
        assert!(said.contains(why) && said.contains("over"), "{said}");
    });
}
