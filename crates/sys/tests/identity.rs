//! Becoming another user. The cases that do are this program again, because a process does it for
//! good; they need root, without which there is nothing to give up.

use std::fs;
use std::io::ErrorKind;
use std::process::{Command, Output};

use sockeye_sys::{Identity, group_id, user_id};

/// Tells a copy of this program which case it is.
const CASE: &str = "SOCKEYE_IDENTITY_CASE";

fn main() {
    match std::env::var(CASE).as_deref() {
        Ok("once") => return become_nobody(),
        Ok("twice") => return become_nobody_twice(),
        Ok(_) => return become_the_impossible(),
        Err(_) => {}
    }
    names_are_looked_up();
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    if !status.contains("\nUid:\t0\t0\t0\t0\n") {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "these tests need root and Linux");
        return println!("skipped: becoming another user needs root and Linux");
    }
    check(&start("once"));
    check(&start("twice"));
    check(&start("impossible"));
}

fn start(case: &str) -> Output {
    println!("case: {case}");
    let program = std::env::current_exe().expect("it was started");
    Command::new(program).env(CASE, case).output().expect("it starts")
}

fn check(output: &Output) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{said}");
}

fn names_are_looked_up() {
    assert_eq!((user_id("root").unwrap(), user_id("0").unwrap()), (0, 0));
    assert_eq!(group_id("4321").unwrap(), 4321);
    let nobody = Identity::look_up("nobody", None).unwrap();
    assert_eq!(nobody.uid(), user_id("nobody").unwrap());
    assert_eq!(Identity::look_up("nobody", Some("4321")).unwrap().gid(), 4321);
    assert_eq!(Identity::look_up(&nobody.uid().to_string(), None).unwrap(), nobody);
    let nameless = Identity::look_up("54321", Some("4321")).unwrap();
    assert_eq!((nameless.uid(), nameless.gid()), (54321, 4321));
    let errors = [
        (Identity::look_up("no-such-user", None), "user \"no-such-user\""),
        (Identity::look_up("nobody", Some("no-such-group")), "group \"no-such-group\""),
        (Identity::look_up("54321", None), "name one"),
        (Identity::look_up("", None), "user \"\""),
    ];
    for (result, why) in errors {
        let error = result.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(error.to_string().contains(why), "{error}");
    }
}

/// What the kernel says of every thread of this process.
fn statuses() -> Vec<String> {
    let tasks = fs::read_dir("/proc/self/task").unwrap();
    tasks.map(|task| fs::read_to_string(task.unwrap().path().join("status")).unwrap()).collect()
}

fn become_nobody() {
    // Other threads change with the one that asks.
    let (_hold, wait) = std::sync::mpsc::channel::<()>();
    std::thread::spawn(move || wait.recv());
    let nobody = Identity::look_up("nobody", None).unwrap();
    nobody.assume().unwrap();
    let statuses = statuses();
    assert_eq!(statuses.len(), 2);
    let (uid, gid) = (nobody.uid(), nobody.gid());
    for status in statuses {
        assert!(status.contains(&format!("\nUid:\t{uid}\t{uid}\t{uid}\t{uid}\n")), "{status}");
        assert!(status.contains(&format!("\nGid:\t{gid}\t{gid}\t{gid}\t{gid}\n")), "{status}");
        assert!(status.contains(&format!("\nGroups:\t{gid} \n")), "{status}");
        for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
            assert!(status.contains(&format!("\n{set}:\t0000000000000000\n")), "{status}");
        }
    }
    // There is no way back.
    let root = Identity::look_up("root", None).unwrap();
    assert_eq!(root.assume().unwrap_err().kind(), ErrorKind::PermissionDenied);
    assert!(fs::File::open("/etc/shadow").is_err());
}

fn become_nobody_twice() {
    let nobody = Identity::look_up("nobody", None).unwrap();
    nobody.assume().unwrap();
    nobody.assume().expect("it is nobody already");
    let other = Identity::look_up("54321", Some("54321")).unwrap();
    let error = other.assume().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    assert!(error.to_string().contains("54321") && error.to_string().contains("root"), "{error}");
}

/// The right to become anybody is kept through the change, by a bit that some containers set.
fn become_the_impossible() {
    use rustix::thread::{
        CapabilitiesSecureBits, capabilities_secure_bits, set_capabilities_secure_bits,
    };
    let bits = capabilities_secure_bits().unwrap() | CapabilitiesSecureBits::NO_SETUID_FIXUP;
    if let Err(error) = set_capabilities_secure_bits(bits) {
        return println!("skipped: this root may not set its secure bits: {error}");
    }
    let error = Identity::look_up("nobody", None).unwrap().assume().unwrap_err();
    assert!(error.to_string().contains("could be what it was again"), "{error}");
}
