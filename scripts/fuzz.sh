#!/bin/sh
# Runs the fuzz targets of fuzz/ one after the other:
#
#   scripts/fuzz.sh SECONDS [TARGET…]   at random, from all that was found before
#   scripts/fuzz.sh gate [TARGET…]      the same inputs in each run, from the seeds alone, ten seconds at the most
#
# Any Rust from rust-version on will do: the flags are those of `cargo fuzz` without a sanitizer, which safe Rust can
# do without. What libFuzzer finds at random is kept in fuzz/corpus, what fails in fuzz/artifacts.
set -eu
cd "$(dirname "$0")/../fuzz"

how=${1:?usage: scripts/fuzz.sh SECONDS|gate [TARGET…]}
shift
[ $# -gt 0 ] || set -- message match actions text packet packet_in session database topology config arguments http \
    question names

host=$(rustc -vV | sed -n 's/^host: //p')
coverage="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-pc-table"
coverage="$coverage -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-trace-compares"
built=${CARGO_TARGET_DIR:-target}/$host/release
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT INT TERM

run=
if [ "$how" = gate ]; then
    corpus=$scratch
    # A slow machine does the first of the inputs that a fast one does.
    budget="-seed=1 -runs=300000 -max_total_time=10"
    # What libFuzzer takes for new depends on addresses. Some containers forbid to fix them.
    ! setarch -R true 2>/dev/null || run="setarch -R"
else
    corpus=$PWD/corpus
    budget="-max_total_time=$how"
fi

(cd .. && cargo run --quiet --example fuzz_seeds -- "$corpus")
RUSTFLAGS="--cfg fuzzing -Ccodegen-units=1 $coverage" cargo build --quiet --release --target "$host" --bins

for target in "$@"; do
    mkdir -p "artifacts/$target" "$corpus/$target"
    if [ "$how" = gate ]; then
        # Sorted: in a directory they stand in any order, and what follows from them depends on it.
        find "$corpus/$target" -type f | sort | paste -sd , >"$scratch/$target.seeds"
        from=-seed_inputs=@$scratch/$target.seeds
    else
        from=corpus/$target
    fi
    # shellcheck disable=SC2086 # words without blanks
    $run "$built/$target" "$from" $budget -artifact_prefix="artifacts/$target/" \
        -max_len=4096 -timeout=5 -rss_limit_mb=1024 -verbosity=0 -print_final_stats=1 2>"artifacts/$target.log" || {
        tail -n 30 "artifacts/$target.log" >&2
        echo "fuzz: $target failed; the input is in fuzz/artifacts/$target" >&2
        exit 1
    }
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "artifacts/$target.log")
    echo "fuzz: $target: $runs inputs, none failed"
done
