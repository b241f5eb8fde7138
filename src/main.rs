//! The `kbingest` program; everything is in the library.

fn main() -> std::process::ExitCode {
    kbingest::cli::main()
}
