//! Prints what an OpenFlow 1.3 switch holds; see [`heddle::cli::ofctl_dump`].

fn main() -> std::process::ExitCode {
    heddle::cli::ofctl_dump_main()
}
