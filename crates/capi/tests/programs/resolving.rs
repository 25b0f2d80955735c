//! Look-ups that nobody answers, and a context that is destroyed meanwhile, in a network of the
//! test's own whose name server is the program itself. Under valgrind.

use crate::build::{compiled, has, library};
use crate::run::Running;
use std::fs;
use std::process::{Command, Output};

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

/// The program at a level. Of itself it must not hold the library, which it loads.
fn at(level: u32) -> String {
    let level = format!("-DSOCKEYE_LWS_LEVEL={level}");
    let program =
        compiled("programs/resolving.c", "gcc", &["-std=gnu99", "-Wl,--as-needed", &level]);
    program.to_str().unwrap().to_owned()
}

#[test]
fn names_that_nobody_answers_for_do_no_harm_under_valgrind() {
    let dir = std::env::temp_dir().join(format!("sockeye-resolving-{}", std::process::id()));
    fs::create_dir_all(&dir).unwrap();
    fs::write(dir.join("resolv.conf"), RESOLVER).unwrap();
    fs::write(dir.join("nsswitch.conf"), SOURCES).unwrap();
    let files = dir.to_str().unwrap();
    if has("valgrind") && has_place(files) {
        let (program, library) = (at(123), library());
        let library = library.to_str().unwrap();
        // The call itself has ten seconds' patience, where the system would have minutes.
        let mut manuals = Running::of(&mut place(files, &[&at(120), library, "stay"]));
        // Of a thread that still runs valgrind takes the memory for possibly lost.
        for (mode, leaks) in [
            ("stay", "definite,indirect,possible"),
            ("unload", "definite,indirect,possible"),
            ("leave", "definite,indirect"),
        ] {
            let leaks = format!("--errors-for-leak-kinds={leaks}");
            let valgrind = ["valgrind", "--quiet", "--error-exitcode=99", "--leak-check=full"];
            let what = [&program, library, mode];
            let what = [&valgrind[..], &[&leaks], &what].concat();
            let said = Running::of(&mut place(files, &what)).expect_status(0);
            assert!(said.contains("destroyed"), "{mode}: {said}");
            assert_eq!(said.contains("over"), mode != "leave", "{mode}: {said}");
        }
        let said = manuals.expect_status(0);
        let why = "Unable to get host name from far.example: no answer within 10 s";
        assert!(said.contains(why) && said.contains("over"), "{said}");
    }
    fs::remove_dir_all(dir).unwrap();
}
