"""The search loop, its store, its evaluators and the binaries: the place that knows all others.

Every binary reads its flags and hands a request on:

- `search` -> experiment_runs -> runs -> search_loop; evaluation measures (see below), trials and
  checkpoints keep, curves, progress, report and summary show, comparison trains the best again
- `train_architecture` -> training_runs -> final_training; trainees say what is trained,
  training_workdir what is kept, training_progress and training_summary what is shown
- `compare_architectures` -> architecture_comparison -> final_training
- `grid_search` -> grid_runs (grids: its axes and points) -> final_training
- `tables` -> table_views -> own_results, beside paper_tables; own_rows have the commands, row_costs
  their parameters and hours, table_text the print
- `figure_6` -> top_models, beside paper_curves

Children: local_children -> a plan (plans, plan_choice) -> child_processes (process_slot,
child_process, machine, compilation) -> child_groups -> children, the trainers.

What all share: experiments (experiment, small_experiments, paper_experiments), configuration,
workdir, devices, interruption, command_line. `api` is `nas.search`.
"""
