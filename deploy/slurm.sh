#!/usr/bin/env bash
# One search on Slurm: 1 chief, 2 parameter servers, 4 workers with a GPU each.
#
#   sbatch deploy/slurm.sh --experiment=cifar10 --data_dir=/shared/data --workdir=/shared/runs/one
#
# The words after the script are the flags of every role. Sent again, the same line continues the
# run in its workdir. PYTHON names the python of an environment that all nodes see.
#
# The job has two parts. Chief and parameter servers need no GPU: 1 + 2 tasks. Workers: 4 tasks with
# a GPU each. The paper's size, 20 parameter servers and 800 workers, is --ntasks=21 above the line
# `hetjob` and --ntasks=800 below it. Where no part needs a GPU, or het jobs are not allowed, delete
# from `hetjob` on, ask for all tasks in one part, and set NUM_PS if it is not 2.
#
# Where both are nodes of one partition, Slurm may put the first part on the nodes with GPUs and
# leave the second waiting: name a partition for each.
#
#SBATCH --job-name=nas
#SBATCH --output=nas-%j.log
#SBATCH --open-mode=append
#SBATCH --requeue
#SBATCH --time=24:00:00
#SBATCH --signal=TERM@120
##SBATCH --partition=cpu
#SBATCH --ntasks=3
#SBATCH --cpus-per-task=1
#SBATCH --mem-per-cpu=2G
#SBATCH hetjob
##SBATCH --partition=gpu
#SBATCH --ntasks=4
#SBATCH --cpus-per-task=2
#SBATCH --mem-per-cpu=6G
#SBATCH --gpus-per-task=1

set -euo pipefail

# Become the role of this task: run_role NUM_PS BASE_PORT LAYOUT LOGS [FLAG]...
# LAYOUT has one line per task, in order: its SLURM_PROCID and its node.
# shellcheck disable=SC2329  # the tasks invoke it
run_role() {
  local num_ps=$1 base_port=$2 layout=$3 logs=$4
  shift 4
  local task node role index address my_role my_index my_gpu cluster
  local -A tasks_on=() workers_on=() addresses=([chief]="" [ps]="" [worker]="")
  while read -r task node; do
    if ((task == 0)); then
      role=chief index=0
    elif ((task <= num_ps)); then
      role=ps index=$((task - 1))
    else
      role=worker index=$((task - 1 - num_ps))
    fi
    if ((task == SLURM_PROCID)); then
      my_role=$role my_index=$index my_gpu=${workers_on[$node]:-0}
    fi
    address="\"$node:$((base_port + ${tasks_on[$node]:-0}))\""
    addresses[$role]+="${addresses[$role]:+, }$address"
    tasks_on[$node]=$((${tasks_on[$node]:-0} + 1))
    if [[ $role == worker ]]; then workers_on[$node]=$((${workers_on[$node]:-0} + 1)); fi
  done <<<"$layout"
  cluster=$(printf '{"chief": [%s], "ps": [%s], "worker": [%s]}' \
    "${addresses[chief]}" "${addresses[ps]}" "${addresses[worker]}")
  TF_CONFIG=$(printf '{"cluster": %s, "task": {"type": "%s", "index": %d}}' \
    "$cluster" "$my_role" "$my_index")
  export TF_CONFIG

  # A worker takes one of the GPUs that Slurm shows it, each worker of a node another one.
  local gpus=()
  if [[ $my_role == worker ]]; then IFS=, read -ra gpus <<<"${CUDA_VISIBLE_DEVICES:-}"; fi
  if ((${#gpus[@]})); then
    export CUDA_VISIBLE_DEVICES=${gpus[my_gpu % ${#gpus[@]}]}
    # Several workers may have the same one.
    export TF_FORCE_GPU_ALLOW_GROWTH=true
  elif [[ $my_role != worker ]]; then
    export CUDA_VISIBLE_DEVICES=""
  fi
  supervise "$my_role" "$my_index" "$logs" "$@"
}

# Run the role, and end the step with it: supervise ROLE INDEX LOGS [FLAG]...
# Whichever role ends by itself ends all, and its status is the job's: the chief with the search,
# another for an error that starting again does not mend. The others are told to leave.
# shellcheck disable=SC2329  # the tasks invoke it
supervise() {
  local role=$1 index=$2 logs=$3 log=$3/$1-$2.log part status=0
  shift 3
  local command=("${PYTHON:-python}" -m nas_with_rl.launch.cluster --supervise "$@")
  trap : TERM # which the role hears too; this shell waits for it
  if [[ $role == chief ]]; then
    "${command[@]}" --resume || status=$? # continues a run, and begins it where there is none
  else
    "${command[@]}" >>"$log" 2>&1 || status=$?
    case $status in 0 | 130 | 143) exit 0 ;; esac # told to leave
    echo "$role-$index ended with status $status: $(tail --lines=1 "$log")" >&2
  fi
  trap '' TERM
  (set -o noclobber && echo "$status" >"$logs/status") 2>/dev/null || true # if it is the first
  for part in "${!SLURM_JOB_ID_HET_GROUP_@}"; do # to scancel each part is a job
    scancel --signal=TERM "${!part}.$SLURM_STEP_ID" 2>/dev/null || true
  done
  if [[ -z ${SLURM_HET_SIZE:-} ]]; then
    scancel --signal=TERM "$SLURM_JOB_ID.$SLURM_STEP_ID" 2>/dev/null || true
  fi
}

if [[ -n ${SLURM_HET_SIZE:-} ]]; then
  parts=("--het-group=0-$((SLURM_HET_SIZE - 1))")
  NUM_PS=$((SLURM_NTASKS_HET_GROUP_0 - 1))
else
  parts=()
  NUM_PS=${NUM_PS:-2}
fi
# --cpu-bind=none: a worker may use all its CPUs. --kill-on-bad-exit=0 and --wait: `supervise` ends
# the step; should that be killed itself, Slurm ends the step a minute later.
srun=(srun "${parts[@]}" --export=ALL --cpu-bind=none --kill-on-bad-exit=0 --wait=60)

# shellcheck disable=SC2016  # the tasks expand it
layout=$("${srun[@]}" bash -c 'echo "$SLURM_PROCID $SLURMD_NODENAME"' | sort -n)
num_tasks=$(wc -l <<<"$layout")
if ((NUM_PS < 1 || num_tasks < NUM_PS + 2)); then
  echo "error: $num_tasks tasks and NUM_PS=$NUM_PS: there have to be 1 chief, at least 1" \
    "parameter server and at least 1 worker" >&2
  exit 2
fi
# Below the ports that the system gives out itself, and others for the next job.
base_port=${BASE_PORT:-$((12000 + SLURM_JOB_ID % 150 * 128))}
logs=$PWD/nas-$SLURM_JOB_ID-logs
mkdir -p "$logs"
rm -f "$logs/status" # of this job before it was requeued
echo "cluster of $NUM_PS parameter servers and $((num_tasks - 1 - NUM_PS)) workers, logs in $logs"
status=0
"${srun[@]}" bash -c "$(declare -f run_role supervise); run_role \"\$@\"" run_role \
  "$NUM_PS" "$base_port" "$layout" "$logs" "$@" || status=$?
if [[ -s $logs/status ]]; then status=$(<"$logs/status"); fi
exit "$status"
