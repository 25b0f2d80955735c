//! Compiles the one function that Rust cannot define: a variadic one.

fn main() {
    println!("cargo:rerun-if-changed=src/log.c");
    cc::Build::new().file("src/log.c").warnings(true).extra_warnings(true).compile("sockeye_log");
}
