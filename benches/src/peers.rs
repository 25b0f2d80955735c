//! Who is measured, and how each is built.

use crate::cells::{Cell, Matter};
use crate::place::{Place, run};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{fs, io};

/// A server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Peer {
    Sockeye,
    /// What all are compared with.
    Uwebsockets,
    /// Receives, and sends the same bytes back.
    Floor,
    /// The same over io_uring(7).
    FloorUring,
    /// The least that can be called a WebSocket server.
    Least,
    Fastwebsockets,
    Tungstenite,
    /// Debian's, waiting by libev.
    Libwebsockets,
}

impl Peer {
    pub(crate) const ALL: [Self; 8] = [
        Self::Sockeye,
        Self::Uwebsockets,
        Self::Floor,
        Self::FloorUring,
        Self::Least,
        Self::Fastwebsockets,
        Self::Tungstenite,
        Self::Libwebsockets,
    ];

    /// As `--peers` knows it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Sockeye => "sockeye",
            Self::Uwebsockets => "uwebsockets",
            Self::Floor => "floor",
            Self::FloorUring => "floor-uring",
            Self::Least => "least",
            Self::Fastwebsockets => "fastwebsockets",
            Self::Tungstenite => "tungstenite",
            Self::Libwebsockets => "libwebsockets",
        }
    }

    /// As the results call it.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Sockeye => "Sockeye",
            Self::Uwebsockets => "uWebSockets",
            Self::Floor => "the floor",
            Self::FloorUring => "the floor, io_uring",
            Self::Least => "least possible",
            Self::Fastwebsockets => "fastwebsockets",
            Self::Tungstenite => "tokio-tungstenite",
            Self::Libwebsockets => "libwebsockets",
        }
    }

    /// Whether this kind of load means anything to it: what messages are made of is nothing to
    /// who does not look at them.
    pub(crate) fn takes(self, cell: &Cell) -> bool {
        match self {
            Self::Floor | Self::FloorUring | Self::Least => cell.matter == Matter::Binary,
            Self::Sockeye
            | Self::Uwebsockets
            | Self::Fastwebsockets
            | Self::Tungstenite
            | Self::Libwebsockets => true,
        }
    }

    /// Builds it. `Err` says why it cannot be.
    pub(crate) fn build(self, place: &Place) -> Result<Server, String> {
        let (program, args) = match self {
            Self::Sockeye => {
                let args = ["echo", "--no-deflate", "--log", "none", "--port", "0"];
                (place.target.join("release/sockeye"), args.map(str::to_owned).to_vec())
            }
            Self::Uwebsockets => (uwebsockets(place)?, vec!["0".to_owned()]),
            Self::Floor => (reference(place, "floor", &[])?, vec![]),
            Self::FloorUring => (reference(place, "floor_uring", &["-luring"])?, vec![]),
            Self::Least => (reference(place, "least", &[])?, vec![]),
            Self::Fastwebsockets | Self::Tungstenite => {
                (rust(place)?.join(self.name()), vec!["0".to_owned()])
            }
            Self::Libwebsockets => {
                (libwebsockets(place)?, ["0", "--libev"].map(str::to_owned).to_vec())
            }
        };
        Ok(Server { peer: self, program, args })
    }
}

/// A server that is built.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    pub(crate) peer: Peer,
    pub(crate) program: PathBuf,
    pub(crate) args: Vec<String>,
}

/// What makes the load, and who could not be built.
#[derive(Debug)]
pub(crate) struct Tools {
    /// `sockeye bench`, for servers that speak WebSocket.
    pub(crate) sockeye: PathBuf,
    /// For those that do not.
    pub(crate) raw_load: PathBuf,
    pub(crate) missing: Vec<(Peer, String)>,
}

impl Tools {
    pub(crate) fn build(place: &Place) -> Result<Self, String> {
        run(&mut place.cargo(&["build", "--release", "--package", "sockeye-cli"]))?;
        Ok(Self {
            sockeye: place.target.join("release/sockeye"),
            raw_load: reference(place, "raw_load", &[])?,
            missing: Vec::new(),
        })
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

/// uWebSockets, from the C++ that a crate carries, for epoll and without TLS.
fn uwebsockets(place: &Place) -> Result<PathBuf, String> {
    let program = place.peers()?.join("uwebsockets");
    let ours = place.root.join("benches/peers/uwebsockets.cpp");
    let source = crate_source(place, "libuwebsockets-sys")?.join("uWebSockets");
    let copy = place.peers()?.join("uWebSockets");
    let failed = |error: io::Error| format!("{}: {error}", copy.display());
    if !copy.exists() {
        copy_dir(&source, &copy).map_err(failed)?;
    }
    let sockets = copy.join("uSockets/src");
    let mut objects = Vec::new();
    for dir in [sockets.clone(), sockets.join("eventing")] {
        for entry in fs::read_dir(dir).map_err(failed)? {
            let file = entry.map_err(failed)?.path();
            if file.extension().is_some_and(|extension| extension == "c") {
                let object = file.with_extension("o");
                let mut gcc = Command::new("gcc");
                gcc.args(["-O3", "-flto=auto", "-w", "-DLIBUS_NO_SSL", "-c", "-I"]).arg(&sockets);
                run(gcc.arg(&file).arg("-o").arg(&object))?;
                objects.push(object);
            }
        }
    }
    let mut gxx = Command::new("g++");
    gxx.args(["-O3", "-flto=auto", "-w", "-std=c++20", "-DLIBUS_NO_SSL", "-I"]);
    gxx.arg(copy.join("src")).arg("-I").arg(&sockets).arg(ours).args(&objects);
    run(gxx.args(["-lz", "-o"]).arg(&program))?;
    Ok(program)
}

/// Where cargo keeps the source of a crate that the Rust peers name but never build.
fn crate_source(place: &Place, name: &str) -> Result<PathBuf, String> {
    let manifest = place.root.join("benches/peers/rust/Cargo.toml");
    let mut metadata = place.cargo(&["metadata", "--format-version=1", "--locked"]);
    let said = run(metadata.arg("--manifest-path").arg(manifest))?;
    let said: serde_json::Value = serde_json::from_str(&said).map_err(|error| error.to_string())?;
    let packages = said["packages"].as_array().into_iter().flatten();
    let found = packages.filter(|package| package["name"] == name).find_map(|package| {
        Path::new(package["manifest_path"].as_str()?).parent().map(Path::to_owned)
    });
    found.ok_or_else(|| format!("cargo does not know where the source of {name} is"))
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
