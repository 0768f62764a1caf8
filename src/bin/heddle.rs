//! The program `heddle`.

fn main() -> std::process::ExitCode {
    heddle::cli::heddle::main()
}
