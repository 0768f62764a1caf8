#!/bin/sh
# How fast a learning bridge answers, beside the least that a controller could do and, where it is installed,
# ovs-testcontroller. Prints the tables of docs/BENCHMARKS.md.
#
#   OF13_TOOLS=DIR scripts/bench-learning.sh [HEDDLE]
#
# DIR holds of13bench.c (the load) and of13ceil.c (the ceiling), or both built. HEDDLE is target/release/heddle unless
# given. The controller has core 0 to itself and the load core 1; a figure is the median of RUNS (3) runs of SECS (3)
# seconds, every controller in turn.
set -eu

tools=${OF13_TOOLS:?the directory of of13bench.c and of13ceil.c}
heddle=${1:-${CARGO_TARGET_DIR:-target}/release/heddle}
runs=${RUNS:-3}
secs=${SECS:-3}
peer=${OVS_TESTCONTROLLER:-$(command -v ovs-testcontroller || true)}
work=$(mktemp -d)
pids=""
# shellcheck disable=SC2086 # a list of words
trap 'kill $pids 2>/dev/null || true; rm -rf "$work"' EXIT
trap 'exit 1' INT TERM

[ -x "$heddle" ] || { echo "bench-learning: no $heddle; cargo build --release" >&2; exit 2; }
for tool in of13bench of13ceil; do
    if [ -x "$tools/$tool" ]; then
        cp "$tools/$tool" "$work/$tool"
    else
        "${CC:-cc}" -O2 -o "$work/$tool" "$tools/$tool.c" 2>"$work/cc.log" || { cat "$work/cc.log" >&2; exit 2; }
    fi
done

cat >"$work/heddle.toml" <<END
topology = "none"
[openflow]
listen = ["127.0.0.1:16633"]
[learning]
bridges = ["*"]
END
HEDDLE_RUNDIR=$work RUST_LOG=error taskset -c 0 "$heddle" run -c "$work/heddle.toml" 2>"$work/heddle.log" &
heddle_pid=$!
taskset -c 0 "$work/of13ceil" -l -p 16634 &
ceiling_pid=$!
pids="$heddle_pid $ceiling_pid"
peer_pid=""
if [ -n "$peer" ]; then
    OVS_RUNDIR=$work taskset -c 0 "$peer" -voff --unixctl="$work/peer.ctl" ptcp:16635:127.0.0.1 2>"$work/peer.log" &
    peer_pid=$!
    pids="$pids $peer_pid"
fi

# bench PORT PID OPTIONS…: one line of comma-separated values.
bench() {
    port=$1
    pid=$2
    shift 2
    taskset -c 1 "$work/of13bench" --csv --quiet --bridge s1 --settle 0.2 --pid "$pid" "$@" "127.0.0.1:$port" |
        sed -n 's/^CSV,//p'
}

# Waits until all of them listen.
for port in 16633 16634 ${peer_pid:+16635}; do
    tries=0
    until bench "$port" "$heddle_pid" --mode connect -n 1 --connect-max 1 >/dev/null 2>&1; do
        tries=$((tries + 1))
        [ "$tries" -lt 20 ] || { echo "bench-learning: nobody answers on port $port" >&2; cat "$work"/*.log >&2; exit 1; }
    done
done

# median FIELD FILE
median() { cut -d, -f"$1" "$2" | sort -n | awk '{ value[NR] = $1 } END { print value[int((NR + 1) / 2)] }'; }

controllers="heddle:16633:$heddle_pid ceiling:16634:$ceiling_pid${peer_pid:+ testcontroller:16635:$peer_pid}"

# measure TITLE OPTIONS…: every controller in turn, runs times; then a row for each.
measure() {
    title=$1
    shift
    rm -f "$work"/*.csv
    run=0
    while [ "$run" -lt "$runs" ]; do
        for controller in $controllers; do
            name=${controller%%:*}
            rest=${controller#*:}
            bench "${rest%:*}" "${rest#*:}" -t "$secs" -W 1 "$@" >>"$work/$name.csv" || true
        done
        run=$((run + 1))
    done
    for controller in $controllers; do
        name=${controller%%:*}
        [ -s "$work/$name.csv" ] || continue
        file=$work/$name.csv
        echo "$title $name $(median 7 "$file") $(median 8 "$file") $(median 20 "$file") $(median 14 "$file") $(median 15 "$file")" |
            awk '{
                cpu = $5 > 0 ? sprintf("%.2f", 1e6 / $5) : "–"
                printf "| %s | %s | %d | %.1f | %s | %d | %d |\n", $1, $2, $3, $4, cpu, $6, $7
            }'
    done
}

echo "| load | controller | answers/s | p50 µs | CPU µs per answer | errors | unanswered |"
echo "|---|---|--:|--:|--:|--:|--:|"
measure one-outstanding --mode latency --spin
for window in 1 2 16 63 64 65 1024; do
    measure "window-$window" -w "$window"
done
measure 16-switches,window-64 -n 16 -w 64
measure known-destination,window-1024 -w 1024 --known-dst
measure FLOW_MODs,window-64 -w 64 --known-dst --complete fm
measure FLOW_MODs,window-1024 -w 1024 --known-dst --complete fm

echo
echo "| 64 connects | ms until the last has named its ports |"
echo "|---|--:|"
for controller in $controllers; do
    name=${controller%%:*}
    rest=${controller#*:}
    run=0
    rm -f "$work/connect.csv"
    while [ "$run" -lt "$runs" ]; do
        bench "${rest%:*}" "${rest#*:}" --mode connect -n 64 >>"$work/connect.csv" || true
        run=$((run + 1))
    done
    echo "| $name | $(median 5 "$work/connect.csv") |"
done
