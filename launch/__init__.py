"""The search loop, its store, its evaluators and the binaries: the place that knows all others.

Every binary reads its flags and hands a request on:

- `search` -> experiment_runs -> runs -> search_loop (open_trials: what is evaluated); evaluation
  measures (see below; measurements: what may be returned), trials and checkpoints keep, curves
  (dashboard, recent_children) and progress are its observers, report and summary show, ranking
  says which is the best, comparison trains it again
- `cluster`, a role of it by tf_config -> cluster_roles: the chief -> cluster_servers finds the
  others, cluster_children gives children out, runs; a worker -> cluster_worker, by
  cluster_messages -> child_processes
- `local_cluster` -> supervision (role_process, heartbeat) keeps the roles running; local_ports
  finds their ports, remnants clears away what a killed process has left
- `train_architecture` -> training_runs -> final_training; trainees say what is trained,
  training_workdir what is kept, training_progress and training_summary what is shown
- `compare_architectures` -> architecture_comparison -> final_training
- `grid_search` -> grid_runs (grids: its axes and points) -> final_training
- `explore` -> explorations (explored_cells: what --cell may be; exploration_subjects: tasks and
  texts) -> final_training, then child_models' tracing and the explorer's page
- `tables` -> table_views -> own_results, beside paper_tables; own_rows have the commands, row_costs
  their parameters and hours, table_text the print
- `figure_6` -> top_models, beside paper_curves

Children: local_children -> a plan (plans, plan_choice) -> child_processes (process_slot,
child_process, child_frames, descendants, machine, compilation) -> child_groups -> children, the
trainers.

What all share: experiments (experiment, small_, paper_ and sequence_experiments), configuration,
own_evaluation, workdir (stored_values: the types of what it holds), devices, interruption,
command_line, request and run_flags. Of a run that is continued, continuation says what has to
agree, named_modules what the command line has to name again. Beneath trials is store_connection;
storage_errors tells a full disk and the like. `api` is `nas.search`.
"""
