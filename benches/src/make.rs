//! How everything is built that is measured or measures.

use crate::peers::{Peer, Programs, Server};
use crate::place::{Place, run};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{fs, io, thread};

/// What makes the load.
#[derive(Debug)]
pub(crate) struct Tools {
    /// The program of which `bench` is a command.
    pub(crate) sockeye: String,
}

/// All that is needed, and who could not be built.
#[derive(Debug)]
pub(crate) struct Built {
    pub(crate) tools: Tools,
    pub(crate) servers: Vec<Server>,
    /// With the reason.
    pub(crate) missing: Vec<(Peer, String)>,
    /// Versions of what was built, for the results.
    pub(crate) versions: Vec<String>,
}

impl Built {
    /// Builds the load and these servers.
    pub(crate) fn new(place: &Place, peers: &[Peer]) -> Result<Self, String> {
        // What cargo builds and what compilers for C build do not wait for each other.
        let (cargo, others) = thread::scope(|scope| {
            let cargo = scope.spawn(|| {
                let sockeye = sockeye(place);
                (sockeye, peers.iter().any(|peer| is_rust(*peer)).then(|| rust(place)))
            });
            let others = peers.iter().filter(|peer| !is_rust(**peer) && **peer != Peer::Sockeye);
            let others: Vec<_> = others.map(|&peer| (peer, foreign(place, peer))).collect();
            (cargo.join(), others)
        });
        let (ours, rust) = cargo.map_err(|_| "building ended with a panic".to_owned())?;
        let ours = ours?;
        let certificate = certificate(place)?;
        let (mut servers, mut missing) = (Vec::new(), Vec::new());
        for &peer in peers {
            let other = others.iter().find(|(other, _)| *other == peer);
            let programs = match (other, &rust) {
                (Some((_, programs)), _) => programs.clone(),
                (None, _) if peer == Peer::Sockeye => Ok(ours.clone()),
                (None, Some(Ok(dir))) => Ok(program(&dir.join(peer.name()))),
                (None, Some(Err(why))) => Err(why.clone()),
                (None, None) => Err("it was not built".to_owned()),
            };
            match programs {
                Ok(programs) => {
                    let programs = Programs { certificate: certificate.clone(), ..programs };
                    servers.push(Server { peer, programs });
                }
                Err(why) => missing.push((peer, why)),
            }
        }
        let tools = Tools { sockeye: ours.echo };
        Ok(Self { tools, servers, missing, versions: versions(place) })
    }
}

fn is_rust(peer: Peer) -> bool {
    matches!(peer, Peer::Fastwebsockets | Peer::Tungstenite | Peer::Sockudo)
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

/// One program for everything.
fn program(path: &Path) -> Programs {
    Programs { echo: text(path), ..Programs::default() }
}

/// The program `sockeye`, and the one that publishes.
fn sockeye(place: &Place) -> Result<Programs, String> {
    // Not the example itself: building that turns on what the tests need, in `sockeye` too.
    let packages = ["--package", "sockeye-cli", "--package", "sockeye-counts"];
    let targets = ["--bin", "sockeye", "--bin", "sockeye-publish"];
    let build = ["build", "--release"];
    run(&mut place.cargo(&[&build[..], &packages, &targets].concat()))?;
    let release = place.target.join("release");
    let publish = Some(text(&release.join("sockeye-publish")));
    Ok(Programs { publish, ..program(&release.join("sockeye")) })
}

/// Those that are neither Rust nor ours.
fn foreign(place: &Place, peer: Peer) -> Result<Programs, String> {
    match peer {
        Peer::Floor => Ok(program(&reference(place, "floor", &[])?)),
        Peer::Least => Ok(program(&reference(place, "least", &[])?)),
        Peer::FloorUring => Ok(program(&reference(place, "floor_uring", &["-luring"])?)),
        Peer::Uwebsockets => {
            let plain = program(&uwebsockets(place, &UWEBSOCKETS)?);
            // Without it the rest is measured all the same, and starting this is what fails.
            let tls = uwebsockets(place, &UWEBSOCKETS_TLS);
            let tls = tls.map_or_else(|why| format!("not built: {why}"), |path| text(&path));
            Ok(Programs { tls: Some(tls), ..plain })
        }
        Peer::UwebsocketsLibdeflate => Ok(program(&uwebsockets(place, &UWEBSOCKETS_LIBDEFLATE)?)),
        Peer::Libwebsockets | Peer::LibwebsocketsLibev => Ok(program(&libwebsockets(place)?)),
        Peer::Bun => bun(place),
        Peer::Sockeye | Peer::Fastwebsockets | Peer::Tungstenite | Peer::Sockudo => {
            Err("cargo builds it".to_owned())
        }
    }
}

/// A program of `benches/reference`.
fn reference(place: &Place, name: &str, libraries: &[&str]) -> Result<PathBuf, String> {
    let source = place.root.join("benches/reference").join(name).with_extension("c");
    let program = place.peers()?.join(name);
    let mut gcc = Command::new("gcc");
    gcc.args(["-O3", "-flto=auto", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-o"]);
    run(gcc.arg(&program).arg(source).args(libraries))?;
    Ok(program)
}

/// The peers in Rust; where their programs are.
fn rust(place: &Place) -> Result<PathBuf, String> {
    let manifest = place.root.join("benches/peers/rust/Cargo.toml");
    let mut build = place.cargo(&["build", "--release", "--locked", "--manifest-path"]);
    let target = place.peers()?.join("rust");
    run(build.arg(manifest).env("CARGO_TARGET_DIR", &target))?;
    Ok(target.join("release"))
}

/// libwebsockets, as the system has it.
fn libwebsockets(place: &Place) -> Result<PathBuf, String> {
    let source = place.root.join("benches/peers/libwebsockets.c");
    let program = place.peers()?.join("libwebsockets");
    let mut gcc = Command::new("gcc");
    gcc.args(["-O3", "-flto=auto", "-D_GNU_SOURCE", "-Wall", "-o"]).arg(&program).arg(source);
    run(gcc.args(["-lwebsockets", "-lssl", "-lcrypto"])).map_err(|why| {
        format!("{why}; apt install libwebsockets-dev libwebsockets-evlib-ev libssl-dev")
    })?;
    Ok(program)
}

/// Bun, as the npm registry has it, with a script.
fn bun(place: &Place) -> Result<Programs, String> {
    let dir = place.peers()?.join("bun");
    let program = dir.join("node_modules/.bin/bun");
    if !program.exists() {
        fs::create_dir_all(&dir).map_err(|error| format!("{}: {error}", dir.display()))?;
        let mut npm = Command::new("npm");
        npm.args(["install", "--silent", "--no-save", "--prefix"]).arg(&dir).arg("bun@1");
        run(npm.current_dir(&dir)).map_err(|why| format!("{why}; apt install npm"))?;
    }
    // npm puts a link or a script there; what is measured is the program itself.
    let exe = dir.join("node_modules/bun/bin/bun.exe");
    let exe = if exe.exists() { exe } else { program };
    run(Command::new(&exe).arg("--version"))?;
    let script = Some(text(&place.root.join("benches/peers/bun.ts")));
    Ok(Programs { publish: script, ..self::program(&exe) })
}

/// A way to build uWebSockets.
struct Uwebsockets {
    name: &'static str,
    defines: &'static [&'static str],
    libraries: &'static [&'static str],
    /// Its files for TLS are compiled too.
    tls: bool,
}

const UWEBSOCKETS: Uwebsockets =
    Uwebsockets { name: "uwebsockets", defines: &["-DLIBUS_NO_SSL"], libraries: &[], tls: false };
const UWEBSOCKETS_LIBDEFLATE: Uwebsockets = Uwebsockets {
    name: "uwebsockets-libdeflate",
    defines: &["-DLIBUS_NO_SSL", "-DUWS_USE_LIBDEFLATE"],
    libraries: &["-ldeflate"],
    tls: false,
};
const UWEBSOCKETS_TLS: Uwebsockets = Uwebsockets {
    name: "uwebsockets-tls",
    defines: &["-DLIBUS_USE_OPENSSL"],
    libraries: &["-lssl", "-lcrypto"],
    tls: true,
};

/// uWebSockets, from the C++ that a crate carries, for epoll.
fn uwebsockets(place: &Place, how: &Uwebsockets) -> Result<PathBuf, String> {
    let program = place.peers()?.join(how.name);
    let ours = place.root.join("benches/peers/uwebsockets.cpp");
    let source = crate_source(place, "libuwebsockets-sys")?.join("uWebSockets");
    let copy = place.peers()?.join("uWebSockets");
    let failed = |error: io::Error| format!("{}: {error}", copy.display());
    if !copy.exists() {
        copy_dir(&source, &copy).map_err(failed)?;
    }
    let sockets = copy.join("uSockets/src");
    let mut dirs = vec![sockets.clone(), sockets.join("eventing")];
    dirs.extend(how.tls.then(|| sockets.join("crypto")));
    let mut objects = Vec::new();
    for dir in dirs {
        for entry in fs::read_dir(dir).map_err(failed)? {
            let file = entry.map_err(failed)?.path();
            let compiler = match file.extension().and_then(|extension| extension.to_str()) {
                Some("c") => &["gcc"][..],
                Some("cpp") => &["g++", "-std=c++20"],
                _ => continue,
            };
            let object = file.with_extension(format!("{}.o", how.name));
            let mut compile = Command::new(compiler[0]);
            compile.args(&compiler[1..]).args(["-O3", "-flto=auto", "-w", "-c"]);
            compile.args(how.defines).arg("-I").arg(&sockets).arg(&file).arg("-o").arg(&object);
            run(&mut compile)?;
            objects.push(object);
        }
    }
    let mut gxx = Command::new("g++");
    gxx.args(["-O3", "-flto=auto", "-w", "-std=c++20"]).args(how.defines);
    gxx.arg("-I").arg(copy.join("src")).arg("-I").arg(&sockets).arg(ours).args(&objects);
    run(gxx.args(how.libraries).args(["-lz", "-o"]).arg(&program))
        .map_err(|why| format!("{why}; apt install g++ zlib1g-dev libdeflate-dev libssl-dev"))?;
    Ok(program)
}

/// Where cargo keeps the source of a crate that the Rust peers name but never build.
fn crate_source(place: &Place, name: &str) -> Result<PathBuf, String> {
    let said = metadata(place)?;
    let found = said.iter().filter(|package| package["name"] == name).find_map(|package| {
        Path::new(package["manifest_path"].as_str()?).parent().map(Path::to_owned)
    });
    found.ok_or_else(|| format!("cargo does not know where the source of {name} is"))
}

/// The packages of the peers in Rust.
fn metadata(place: &Place) -> Result<Vec<serde_json::Value>, String> {
    let manifest = place.root.join("benches/peers/rust/Cargo.toml");
    let mut metadata = place.cargo(&["metadata", "--format-version=1", "--locked"]);
    let said = run(metadata.arg("--manifest-path").arg(manifest))?;
    let said: serde_json::Value = serde_json::from_str(&said).map_err(|error| error.to_string())?;
    Ok(said["packages"].as_array().cloned().unwrap_or_default())
}

fn copy_dir(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_dir(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

/// A certificate for this machine, signed by itself, and its key.
fn certificate(place: &Place) -> Result<[String; 2], String> {
    let files = ["cert.pem", "key.pem"].map(|name| place.peers().map(|dir| text(&dir.join(name))));
    let [cert, key] = files;
    let (cert, key) = (cert?, key?);
    let mut openssl = Command::new("openssl");
    openssl.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]);
    openssl.args(["-nodes", "-days", "7", "-subj", "/CN=localhost", "-addext"]);
    openssl.args(["subjectAltName=DNS:localhost,IP:127.0.0.1", "-out", &cert, "-keyout", &key]);
    run(&mut openssl)?;
    Ok([cert, key])
}

/// What was built and with what, as far as it can be told.
fn versions(place: &Place) -> Vec<String> {
    let first = |program: &str, args: &[&str]| {
        let said = run(Command::new(program).args(args)).ok()?;
        said.lines().next().map(|line| line.trim().to_owned())
    };
    let mut versions = Vec::new();
    versions.extend(first("rustc", &["--version"]));
    versions.extend(first("g++", &["--version"]));
    for package in metadata(place).unwrap_or_default() {
        let names = ["libuwebsockets-sys", "fastwebsockets", "tokio-tungstenite", "sockudo-ws"];
        if let Some(name) = package["name"].as_str().filter(|name| names.contains(name)) {
            versions.push(format!("{name} {}", package["version"].as_str().unwrap_or("?")));
        }
    }
    for package in ["libwebsockets-dev", "zlib1g-dev", "libdeflate-dev", "libssl-dev"] {
        let version = first("dpkg-query", &["-W", "-f", "${Version}", package]);
        versions.extend(version.map(|version| format!("{package} {version}")));
    }
    let bun = place.peers().map(|dir| text(&dir.join("bun/node_modules/.bin/bun")));
    let bun = bun.ok().and_then(|bun| first(&bun, &["--version"]));
    versions.extend(bun.map(|version| format!("Bun {version}")));
    versions
}
