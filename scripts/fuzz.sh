#!/bin/sh
# Runs the fuzz targets of fuzz/ one after the other: scripts/fuzz.sh SECONDS [TARGET…]
#
# Any Rust from rust-version on will do: the flags are those of `cargo fuzz` without a sanitizer, which safe Rust can
# do without. What libFuzzer finds is kept in fuzz/corpus, what fails in fuzz/artifacts.
set -eu
cd "$(dirname "$0")/../fuzz"

seconds=${1:?usage: scripts/fuzz.sh SECONDS [TARGET…]}
shift
[ $# -gt 0 ] || set -- message match actions text packet

host=$(rustc -vV | sed -n 's/^host: //p')
coverage="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-pc-table"
coverage="$coverage -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-trace-compares"
built=${CARGO_TARGET_DIR:-target}/$host/release

(cd .. && cargo run --quiet --example fuzz_seeds -- fuzz/corpus)
RUSTFLAGS="--cfg fuzzing -Ccodegen-units=1 $coverage" cargo build --quiet --release --target "$host" --bins

for target in "$@"; do
    mkdir -p "artifacts/$target"
    "$built/$target" "corpus/$target" -max_total_time="$seconds" -artifact_prefix="artifacts/$target/" \
        -max_len=4096 -timeout=5 -rss_limit_mb=1024 -verbosity=0 -print_final_stats=1 2>"artifacts/$target.log" || {
        tail -n 30 "artifacts/$target.log" >&2
        echo "fuzz: $target failed; the input is in fuzz/artifacts/$target" >&2
        exit 1
    }
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "artifacts/$target.log")
    echo "fuzz: $target: $runs inputs in $seconds s, none failed"
done
