//! `cargo xtask install-c`: lays the C library out as build systems look for it.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Built, SONAME, STATIC_LIBS, VERSION, build, cargo, filled};
use crate::place::Place;
use crate::run::run;

const PC: &str = include_str!("../../../dist/c/libwebsockets.pc.in");
const CMAKE: &str = include_str!("../../../dist/c/libwebsocketsConfig.cmake.in");
const CMAKE_VERSION: &str = include_str!("../../../dist/c/libwebsocketsConfigVersion.cmake.in");
const MAN: &str = include_str!("../../../dist/c/libwebsockets.7.in");

/// Where the headers lie in the tree.
const HEADERS: &str = "crates/capi/include";
/// What chooses the level in the header, where nothing else has.
const DEFAULT_LEVEL: &str = "#define SOCKEYE_LWS_LEVEL 120\n";

/// A level of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Level {
    /// What its release called itself.
    pub(super) version: &'static str,
    /// What the header calls it.
    number: &'static str,
}

/// All of them, the default first.
pub(super) const LEVELS: [Level; 4] = [
    Level { version: "1.2", number: "120" },
    Level { version: "1.23", number: "123" },
    Level { version: "1.3", number: "130" },
    Level { version: "1.4", number: "140" },
];

/// The command line of `cargo xtask install-c`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Options {
    /// Where it is to be found in the end.
    prefix: PathBuf,
    /// What is put before that while it is laid out.
    destdir: Option<PathBuf>,
    /// Below the prefix.
    libdir: String,
    level: Level,
    tls: bool,
}

impl Options {
    fn parse(args: &[&str]) -> Result<Self, String> {
        let mut options = Self {
            prefix: PathBuf::new(),
            destdir: None,
            libdir: "lib".to_owned(),
            level: LEVELS[0],
            tls: true,
        };
        let mut args = args.iter();
        while let Some(&arg) = args.next() {
            if arg == "--without-tls" {
                options.tls = false;
                continue;
            }
            let (name, value) = match arg.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (arg, args.next().copied()),
            };
            let value = || value.ok_or_else(|| format!("`{name}` needs a value"));
            match name {
                "--prefix" => options.prefix = PathBuf::from(value()?),
                "--destdir" => options.destdir = Some(PathBuf::from(value()?)),
                "--libdir" => options.libdir = value()?.to_owned(),
                "--level" => options.level = level(value()?)?,
                _ => return Err(format!("unknown argument `{arg}` of `install-c`")),
            }
        }
        if !options.prefix.is_absolute() {
            return Err("`install-c` needs `--prefix` with an absolute path".to_owned());
        }
        let libdir = Path::new(&options.libdir);
        if libdir.components().any(|part| !matches!(part, std::path::Component::Normal(_))) {
            return Err("`--libdir` is a path below the prefix, such as lib64".to_owned());
        }
        Ok(options)
    }

    /// What the tests install: without TLS.
    pub(super) fn checked(prefix: &Path, level: Level) -> Self {
        let libdir = "lib".to_owned();
        Self { prefix: prefix.to_owned(), destdir: None, libdir, level, tls: false }
    }

    /// What packages are made of.
    pub(super) fn packaged(destdir: &Path, libdir: String, tls: bool) -> Self {
        let (prefix, destdir) = (PathBuf::from("/usr"), Some(destdir.to_owned()));
        Self { prefix, destdir, libdir, level: LEVELS[0], tls }
    }

    /// Where the prefix is while it is laid out.
    fn root(&self) -> PathBuf {
        let below = self.prefix.strip_prefix("/").unwrap_or(&self.prefix);
        self.destdir.as_ref().map_or_else(|| self.prefix.clone(), |dir| dir.join(below))
    }
}

fn level(text: &str) -> Result<Level, String> {
    LEVELS.into_iter().find(|level| level.version == text).ok_or_else(|| {
        let known = LEVELS.map(|level| level.version).join(", ");
        format!("`--level` is one of {known}, not `{text}`")
    })
}

/// `cargo xtask install-c`.
pub(crate) fn run_install(place: &Place, args: &[&str]) -> Result<(), String> {
    let options = Options::parse(args)?;
    let _alone = cargo::lock(place)?;
    for path in install(place, &options)? {
        println!("{}", path.display());
    }
    Ok(())
}

/// Builds it and lays it out; all that has been written.
pub(super) fn install(place: &Place, options: &Options) -> Result<Vec<PathBuf>, String> {
    let built = build(place, options.tls)?;
    let mut layout = Layout { root: options.root(), written: Vec::new() };
    layout.libraries(place, &built, &options.libdir)?;
    layout.headers(place, options.level)?;
    layout.descriptions(options)?;
    Ok(layout.written)
}

/// The full name of the shared library's file.
fn file_name() -> String {
    format!("{SONAME}.{VERSION}")
}

/// A prefix that is being filled.
struct Layout {
    root: PathBuf,
    written: Vec<PathBuf>,
}

impl Layout {
    fn libraries(&mut self, place: &Place, built: &Built, libdir: &str) -> Result<(), String> {
        let shared = format!("{libdir}/{}", file_name());
        let archive = format!("{libdir}/libwebsockets.a");
        for (from, to, option) in [
            (&built.shared, &shared, "--strip-unneeded"),
            (&built.archive, &archive, "--strip-debug"),
        ] {
            let to = self.parent_of(to)?;
            let mut strip = place.command("strip", &[option, "-o"]);
            strip.arg(&to).arg(from);
            run(strip, Duration::from_secs(60), false)?;
            self.finish(to)?;
        }
        self.link(&file_name(), &format!("{libdir}/{SONAME}"))?;
        self.link(SONAME, &format!("{libdir}/libwebsockets.so"))
    }

    fn headers(&mut self, place: &Place, level: Level) -> Result<(), String> {
        let dir = place.root.join(HEADERS);
        let entries = fs::read_dir(&dir).map_err(|error| format!("{}: {error}", dir.display()))?;
        let mut names: Vec<_> = entries.flatten().map(|entry| entry.file_name()).collect();
        names.sort_unstable();
        for name in names {
            let from = dir.join(&name);
            let mut text = fs::read_to_string(&from)
                .map_err(|error| format!("{}: {error}", from.display()))?;
            if name == "libwebsockets.h" {
                if text.matches(DEFAULT_LEVEL).count() != 1 {
                    return Err(format!("{} does not choose the manual's level", from.display()));
                }
                let line = DEFAULT_LEVEL.replace(LEVELS[0].number, level.number);
                text = text.replace(DEFAULT_LEVEL, &line);
            }
            self.write(&format!("include/{}", name.to_string_lossy()), &text)?;
        }
        Ok(())
    }

    /// What build systems and people read: pkg-config, CMake, the manual page.
    fn descriptions(&mut self, options: &Options) -> Result<(), String> {
        let Options { prefix, libdir, .. } = options;
        let prefix = prefix.to_string_lossy();
        let absolute = format!("{prefix}/{libdir}");
        let up = "/..".repeat(libdir.split('/').count());
        let pointer = size_of::<usize>().to_string();
        let file = file_name();
        let mut values = vec![
            ("PREFIX", &*prefix),
            ("LIBDIR", &absolute),
            ("STATIC_LIBS", STATIC_LIBS),
            ("SONAME", SONAME),
            ("FILE", &file),
            ("POINTER", &pointer),
        ];
        let up = format!("../..{up}");
        values.push(("UP", &up));
        let with = |level: Level, define: &str, template: &str| {
            let text = filled(template, &[("API", level.version), ("DEFINE", define)]);
            filled(&text, &values)
        };
        // pkg-config takes what stands behind a space for another word.
        let escaped = |path: &str| path.replace(' ', "\\ ");
        let (prefix, absolute) = (escaped(&prefix), escaped(&absolute));
        let described = [("PREFIX", prefix.as_str()), ("LIBDIR", absolute.as_str())];
        let pc = filled(PC, &described);
        let pc = |level: Level, define: &str| with(level, define, &pc);
        self.write(&format!("{libdir}/pkgconfig/libwebsockets.pc"), &pc(options.level, ""))?;
        for level in LEVELS {
            let pc = pc(level, &format!(" -DSOCKEYE_LWS_LEVEL={}", level.number));
            let name = format!("libwebsockets-{}.pc", level.version);
            self.write(&format!("{libdir}/pkgconfig/{name}"), &pc)?;
        }
        let cmake = format!("{libdir}/cmake/libwebsockets/libwebsocketsConfig");
        self.write(&format!("{cmake}.cmake"), &with(options.level, "", CMAKE))?;
        self.write(&format!("{cmake}Version.cmake"), &with(options.level, "", CMAKE_VERSION))?;
        self.write("share/man/man7/libwebsockets.7", &with(options.level, "", MAN))
    }

    fn parent_of(&self, path: &str) -> Result<PathBuf, String> {
        let path = self.root.join(path);
        let dir = path.parent().unwrap_or(&self.root);
        fs::create_dir_all(dir).map_err(|error| format!("{}: {error}", dir.display()))?;
        Ok(path)
    }

    fn write(&mut self, path: &str, text: &str) -> Result<(), String> {
        let path = self.parent_of(path)?;
        fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))?;
        self.finish(path)
    }

    /// Readable by all, whatever the umask.
    fn finish(&mut self, path: PathBuf) -> Result<(), String> {
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644))
            .map_err(|error| format!("{}: {error}", path.display()))?;
        self.written.push(path);
        Ok(())
    }

    fn link(&mut self, to: &str, path: &str) -> Result<(), String> {
        let path = self.parent_of(path)?;
        match fs::remove_file(&path) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(format!("{}: {error}", path.display())),
        }
        symlink(to, &path).map_err(|error| format!("{}: {error}", path.display()))?;
        self.written.push(path);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_read() {
        let args =
            ["--prefix", "/opt/x", "--level=1.3", "--libdir", "lib64", "--destdir", "/tmp/d"];
        let options = Options::parse(&args).unwrap();
        assert_eq!(options.level.number, "130");
        assert_eq!(options.root(), Path::new("/tmp/d/opt/x"));
        assert!(options.tls);
        assert!(!Options::parse(&["--prefix=/x", "--without-tls"]).unwrap().tls);
    }

    #[test]
    fn what_is_wrong_with_it_is_named() {
        let wrong = |args: &[&str]| Options::parse(args).unwrap_err();
        assert_eq!(wrong(&[]), "`install-c` needs `--prefix` with an absolute path");
        assert_eq!(
            wrong(&["--prefix", "/x", "--level", "4.3"]),
            "`--level` is one of 1.2, 1.23, 1.3, 1.4, not `4.3`"
        );
        assert_eq!(wrong(&["--prefix"]), "`--prefix` needs a value");
        assert_eq!(wrong(&["--sysroot", "/"]), "unknown argument `--sysroot` of `install-c`");
        assert!(wrong(&["--prefix=/x", "--libdir=/lib"]).contains("below the prefix"));
    }
}
