#!/bin/bash
# Made by `sweeper cluster slurm`. Submit it with `sbatch FILE`; `sbatch --partition=... --account=... FILE` adds what
# your cluster asks for. Options given there replace those below, --nodes too. All nodes have to see the folder of the
# sweep and its results at the same place.
#SBATCH --job-name=@NAME@
#SBATCH --nodes=@NODES@
#SBATCH --ntasks-per-node=1
@RESOURCES@
# budget.wall and ten minutes, or a day. When it is over before the sweep is finished, the job is requeued and goes on.
#SBATCH --time=@TIME@
# To this shell only, two minutes (or up to three) before the end: trials stop at their next checkpoint, within one.
#SBATCH --signal=B:USR1@120
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=@NAME@-%j.log

export PATH=@PROGRAMS@:"$PATH"
cd @FOLDER@ || exit 2

# A Ray of this job alone: a folder, ports and a token of its own. Without the token no other cluster takes its nodes
# in, and nobody else's nodes or drivers join this one. (`ray symmetric-run` refuses to start where another Ray runs,
# and its `ray stop` ends all Rays of the user on the node, those of other jobs too.)
folder=/tmp/sweeper-$SLURM_JOB_ID-${SLURM_RESTART_COUNT:-0}
unset RAY_ADDRESS
export RAY_AUTH_MODE=token RAY_USAGE_STATS_ENABLED=0
RAY_AUTH_TOKEN=$(od -An -N32 -tx1 /dev/urandom | tr -d ' \n')
export RAY_AUTH_TOKEN RAY_TMPDIR=$folder
# What an earlier run of this job left on the node is removed; a folder that somebody else made is refused.
make_folder='rm -rf "${0%-*}"-*; mkdir -m 700 "$0"'
start_ray="$make_folder"' && exec ray start --temp-dir="$0" --num-cpus="$SLURM_CPUS_ON_NODE" \
    ${SLURM_GPUS_ON_NODE:+--num-gpus="$SLURM_GPUS_ON_NODE"} --block "$@"'

driver='' asked='' steps=()

# USR1: the time is nearly over. TERM: the job is cancelled or preempted. Either goes on to the driver.
forward() {
    asked=${asked:-$1}
    [ -z "$driver" ] || kill -s "$1" "$driver" 2>/dev/null
}
trap 'forward USR1' USR1
trap 'forward TERM' TERM

clean_up() {
    [ "${#steps[@]}" -eq 0 ] || kill "${steps[@]}" 2>/dev/null
    wait
    if [ "$nodes" -gt 1 ]; then
        srun --overlap --nodes="$nodes" --ntasks="$nodes" rm -rf "$folder"
    else
        rm -rf "$folder"
    fi
}

give_up() {
    echo "$1" >&2
    exit 1
}

# Sets `address`: that of a Ray over all nodes, its head on the node of this script, which is the first.
start_cluster() {
    head=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
    srun --overlap --nodes=1 --ntasks=1 --nodelist="$head" \
        bash -c "$start_ray" "$folder" --head --port=0 --include-dashboard=false &
    steps+=($!)
    for _ in $(seq 240); do
        [ -s "$folder/ray_current_cluster" ] && break
        kill -0 "${steps[0]}" 2>/dev/null || break
        [ -z "$asked" ] || break
        sleep 0.5
    done
    [ -s "$folder/ray_current_cluster" ] || give_up "the head of Ray did not start on $head"
    address=$(cat "$folder/ray_current_cluster")
    srun --overlap --nodes=$((nodes - 1)) --ntasks=$((nodes - 1)) --exclude="$head" \
        bash -c "$start_ray" "$folder" --address="$address" &
    steps+=($!)
}

nodes=${SLURM_JOB_NUM_NODES:-1} address=''
trap clean_up EXIT
if [ "$nodes" -gt 1 ]; then
    start_cluster # nodes that join later are used, too
else
    bash -c "$make_folder" "$folder" || give_up "cannot make $folder"
fi

code=143
if [ -z "$asked" ]; then
    @COMMAND@ ${address:+--address "$address"} &
    driver=$!
    # A signal interrupts `wait`; only the last one gives the exit code.
    while kill -0 "$driver" 2>/dev/null; do wait "$driver"; done
    wait "$driver"
    code=$?
fi
echo "sweeper ended with exit code $code${asked:+ after $asked}"

# 0: finished. 2: the file is wrong. 3: a claim failed. 4: trials failed. 5: a budget is spent. Whatever else: not
# finished, and the same command goes on from the checkpoints. A job that is cancelled is not requeued by itself; one
# that is preempted, or whose node is lost, SLURM requeues.
case $code in
0 | 2 | 3 | 4 | 5) exit "$code" ;;
esac
if [ "$asked" = USR1 ]; then
    clean_up
    trap - EXIT
    scontrol requeue "$SLURM_JOB_ID" || echo "not requeued; submit the script again to go on" >&2
fi
exit "$code"
